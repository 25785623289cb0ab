/*
 * scene.h - made-up pictures of organs, and what a network that learns to find them predicts.
 */
#ifndef MM_SCENE_H
#define MM_SCENE_H

#include "lib/maskmeter.h"

#define MM_SCENE_CLASSES 5 /* background, liver, spleen, kidney, lesion */
#define MM_SCENE_NAMES   "background,liver,spleen,kidney,lesion"
#define MM_SCENE_IMAGES  16
#define MM_SCENE_SIDE    96

#define MM_SCENE_VOXELS ((size_t)MM_SCENE_SIDE * MM_SCENE_SIDE) /* of an image */

/* Every third image has a lesion; the rest have the other classes.  The same seeds give the same labels everywhere. */
typedef struct mm_scene {
    float *logits;        /* owned: [images, classes, side, side] */
    unsigned char *label; /* owned: [images, side, side] */
} mm_scene;

mm_status mm_scene_new(mm_scene *out);
void mm_scene_free(mm_scene *scene); /* a zero one is fine */

/* Fills logits.  skill: 0 knows nothing, 1 is nearly right; a network of little skill finds no lesion at all. */
void mm_scene_predict(mm_scene *scene, double skill, uint64_t seed);

/* Views of both tensors, for an upload. */
mm_tensor mm_scene_pred(const mm_scene *scene);
mm_tensor mm_scene_label(const mm_scene *scene);

#endif
