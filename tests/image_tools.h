/*
 * image_tools.h - random images of one to three axes, and what the engine computes of each as a whole.
 */
#ifndef MM_IMAGE_TOOLS_H
#define MM_IMAGE_TOOLS_H

#include "lib/image_kinds.h"
#include "lib/plan.h"

/* Predictions and labels, [images][classes][voxels] each; and where they are scored, [images][voxels]. */
typedef struct scene {
    mm_task task;
    mm_pred_kind pred_kind; /* MM_PROBS, MM_LOGITS or MM_MASKS */
    size_t images, classes, spatial[3], voxels;
    unsigned rank;
    double *p, *g;
    unsigned char *scored;
} scene;

/* What an image is like: how many of 16 voxels of each mask are set (independent masks), how many are scored, and in
 * how many steps predictions go from 0 to 1, so that there are ties. */
typedef struct scene_kind {
    unsigned label, scored, steps;
} scene_kind;

scene scene_random(mm_task task, mm_pred_kind pred_kind, size_t images, size_t classes, unsigned rank,
                   const size_t *spatial, scene_kind kind, unsigned seed);
void scene_free(scene *s);

size_t scene_place(const scene *s, size_t n, size_t c, size_t v);
int scene_scored(const scene *s, size_t n, size_t v);
/* What p means: as sent (logits: 0 where not scored), or in its natural form, 0 where not scored. */
double scene_sent(const scene *s, size_t n, size_t c, size_t v);
double scene_p(const scene *s, size_t n, size_t c, size_t v);
double scene_g(const scene *s, size_t n, size_t c, size_t v); /* 0 where not scored */
int scene_hard(const scene *s, size_t n, size_t c, size_t v); /* mask of the prediction, 0 where not scored */

/* Coordinates of a voxel, and whether a place so many steps away is in the image: its index, or SIZE_MAX. */
size_t scene_step(const scene *s, size_t v, const int step[3]);

/* One column of a scene, [image][value][class]; a column of the batch has one image.  Fails the test when two threads,
 * classes last, or images sent one by one (but not of the batch) give other bits.  free() it. */
double *scene_column(const scene *s, const mm_stat *stat);
/* How its evaluation ends. */
mm_status scene_status(const scene *s, const mm_stat *stat);
/* Value w of image n and class c in it. */
double scene_value(const scene *s, const mm_stat *stat, const double *column, size_t n, size_t w, size_t c);

/* Expressions over images `from` to `from + count` - 1, named "0/`from`" ...; release with scene_drop().  `first` is
 * NULL when they were refused, and `status` and `problem` say why. */
typedef struct scene_scores {
    mm_plan *plan;
    mm_images *images;
    mm_results *results;
    const mm_result *first;
    mm_status status;
    mm_problem problem;
} scene_scores;

scene_scores scene_score(const scene *s, const char *expressions, const double *weights, size_t from, size_t count);
void scene_drop(scene_scores *scores);

int scene_close(double a, double b); /* 1e-11 relative or absolute */

#endif
