/*
 * peer.h - scores under a peer's name, with the peer's parameters, defaults and number.
 *
 * A peer's row is an mm_score whose name has the peer in front ("seed.categorical_dice") and whose `peer` function
 * maps the peer's parameters to the general forms of score.h.  The request's weights and classes do not enter.
 */
#ifndef MM_PEER_H
#define MM_PEER_H

#include "lib/score.h"

/* The families in listing order; those of a peer stand together. */
extern const mm_score_family *const mm_peers[];
extern const size_t mm_peer_count;

extern const mm_score_family mm_peers_monai_overlap, mm_peers_monai_entropy, mm_peers_monai_unified,
    mm_peers_monai_metrics, mm_peers_monai_images, mm_peers_monai_distance;
extern const mm_score_family mm_peers_torchmetrics_segmentation, mm_peers_torchmetrics_classification,
    mm_peers_torchmetrics_confusion, mm_peers_torchmetrics_rank, mm_peers_torchmetrics_distance;
extern const mm_score_family mm_peers_smp_losses;
extern const mm_score_family mm_peers_smp_metrics;
extern const mm_score_family mm_peers_torch;
extern const mm_score_family mm_peers_segloss_overlap, mm_peers_segloss_entropy, mm_peers_segloss_distance;
extern const mm_score_family mm_peers_survey;
extern const mm_score_family mm_peers_seed, mm_peers_seed_images;

#endif
