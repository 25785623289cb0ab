/*
 * peers.c - joins the peers.
 */
#include "lib/peer.h"

const mm_score_family *const mm_peers[] = {&mm_peers_seed};
const size_t mm_peer_count = MM_COUNT(mm_peers);
