/*
 * peers.c - joins the peers.
 */
#include "lib/peer.h"

/* clang-format off */
const mm_score_family *const mm_peers[] = {
    &mm_peers_monai_overlap,
    &mm_peers_monai_entropy,
    &mm_peers_monai_unified,
    &mm_peers_monai_metrics,
    &mm_peers_monai_images,
    &mm_peers_monai_distance,
    &mm_peers_torchmetrics_segmentation,
    &mm_peers_torchmetrics_classification,
    &mm_peers_torchmetrics_confusion,
    &mm_peers_torchmetrics_rank,
    &mm_peers_torchmetrics_distance,
    &mm_peers_smp_losses,
    &mm_peers_smp_metrics,
    &mm_peers_torch,
    &mm_peers_segloss_overlap,
    &mm_peers_segloss_entropy,
    &mm_peers_segloss_distance,
    &mm_peers_survey,
    &mm_peers_seed,
    &mm_peers_seed_images,
};
/* clang-format on */
const size_t mm_peer_count = MM_COUNT(mm_peers);
