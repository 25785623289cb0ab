/*
 * peer_smp.h - what the losses and the metrics of segmentation_models_pytorch share.  Private to the peer's files.
 */
#ifndef MM_PEER_SMP_H
#define MM_PEER_SMP_H

#include "lib/peer_common.h"

typedef enum mm_smp_mode { MM_SMP_BINARY, MM_SMP_MULTICLASS, MM_SMP_MULTILABEL } mm_smp_mode;

#define MM_SMP_MODES  "binary|multiclass|multilabel"
#define MM_SMP_SOURCE "segmentation_models_pytorch, after 0.5.0"

/* What is wrong with that mode for the data, or NULL. */
const char *mm_smp_check_mode(mm_smp_mode mode, const mm_args *args);

#endif
