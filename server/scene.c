/*
 * scene.c - organs are ellipses; a network sees them displaced, swollen and noisy, less so as it learns.
 */
#include "server/scene.h"

#include <math.h>
#include <stdlib.h>

#define LESION      (MM_SCENE_CLASSES - 1)
#define LESION_EACH 3 /* images */

typedef struct ellipse {
    float x, y;             /* centre, of the side */
    float across, down;     /* radii, of the side */
    float hardness, unseen; /* how wrong a beginner is; how far below the background it stays for a beginner */
} ellipse;

/* clang-format off */
static const ellipse organs[MM_SCENE_CLASSES] = {
    {0.00f, 0.00f, 0.00f, 0.00f, 0.0f, 0.0f}, /* background: what is in no other */
    {0.34f, 0.42f, 0.22f, 0.26f, 0.6f, 0.0f},
    {0.74f, 0.34f, 0.11f, 0.13f, 1.0f, 0.3f},
    {0.66f, 0.72f, 0.09f, 0.12f, 1.1f, 0.6f},
    {0.34f, 0.40f, 0.05f, 0.05f, 1.0f, 5.0f},
};
/* clang-format on */

/* splitmix64: every machine draws the same numbers. */
static float draw(uint64_t *state)
{
    uint64_t x = *state += 0x9E3779B97F4A7C15u;

    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return (float)((x ^ (x >> 31)) >> 40) * 0x1p-24f;
}

/* Between -1 and 1. */
static float wobble(uint64_t *state)
{
    return 2.0f * draw(state) - 1.0f;
}

static int has(size_t image, size_t organ)
{
    return organ != LESION || image % LESION_EACH == 0;
}

/* Every image has its own anatomy. */
static ellipse place(size_t organ, uint64_t *state)
{
    ellipse e = organs[organ];

    e.x += 0.05f * wobble(state);
    e.y += 0.05f * wobble(state);
    e.across *= 1.0f + 0.2f * wobble(state);
    e.down *= 1.0f + 0.2f * wobble(state);
    return e;
}

/* 1 in the middle, 0 on the edge, less outside. */
static float depth(const ellipse *e, size_t voxel)
{
    const size_t column = voxel % MM_SCENE_SIDE, row = voxel / MM_SCENE_SIDE;
    const float dx = ((float)column + 0.5f) / MM_SCENE_SIDE - e->x;
    const float dy = ((float)row + 0.5f) / MM_SCENE_SIDE - e->y;
    const float a = dx / e->across, b = dy / e->down;

    return 1.0f - sqrtf(a * a + b * b);
}

/* The organs of an image, drawn one after the other from the image's own numbers. */
static void place_all(ellipse *placed, size_t image)
{
    uint64_t state = 1000 + image;

    for (size_t organ = 1; organ < MM_SCENE_CLASSES; organ++)
        placed[organ] = place(organ, &state);
}

static void draw_label(unsigned char *label, size_t image)
{
    ellipse placed[MM_SCENE_CLASSES];

    place_all(placed, image);
    for (size_t voxel = 0; voxel < MM_SCENE_VOXELS; voxel++) {
        label[voxel] = 0;
        for (size_t organ = 1; organ < MM_SCENE_CLASSES; organ++)
            if (has(image, organ) && depth(&placed[organ], voxel) > 0.0f)
                label[voxel] = (unsigned char)organ;
    }
}

mm_status mm_scene_new(mm_scene *out)
{
    mm_scene scene = {
        .logits = calloc(MM_SCENE_IMAGES * MM_SCENE_CLASSES * MM_SCENE_VOXELS, sizeof *scene.logits),
        .label = malloc(MM_SCENE_IMAGES * MM_SCENE_VOXELS),
    };

    if (scene.logits == NULL || scene.label == NULL) {
        mm_scene_free(&scene);
        return MM_NO_MEMORY;
    }
    for (size_t image = 0; image < MM_SCENE_IMAGES; image++)
        draw_label(scene.label + image * MM_SCENE_VOXELS, image);
    *out = scene;
    return MM_OK;
}

void mm_scene_free(mm_scene *scene)
{
    free(scene->logits);
    free(scene->label);
    *scene = (mm_scene){.logits = NULL};
}

/* Where a network takes an organ to be. */
static ellipse mistake(ellipse e, float error, uint64_t *state)
{
    const float much = error * e.hardness;

    e.x += 0.09f * much * wobble(state);
    e.y += 0.09f * much * wobble(state);
    e.across *= 1.0f + 0.5f * much * wobble(state);
    e.down *= 1.0f + 0.5f * much * wobble(state);
    return e;
}

static void predict_image(float *logits, size_t image, float error, uint64_t *state)
{
    ellipse placed[MM_SCENE_CLASSES];

    place_all(placed, image);
    for (size_t organ = 1; organ < MM_SCENE_CLASSES; organ++)
        placed[organ] = mistake(placed[organ], error + 0.06f, state);
    for (size_t voxel = 0; voxel < MM_SCENE_VOXELS; voxel++)
        for (size_t organ = 0; organ < MM_SCENE_CLASSES; organ++) {
            const float noise = (0.2f + 2.2f * error) * wobble(state);
            float logit = 0.0f;

            if (organ > 0 && has(image, organ))
                logit = 8.0f * depth(&placed[organ], voxel) + (organ == LESION ? 6.0f : 0.0f);
            else if (organ > 0)
                logit = -6.0f;
            if (organ > 0 && logit < -6.0f)
                logit = -6.0f;
            logits[organ * MM_SCENE_VOXELS + voxel] = logit - 3.0f * organs[organ].unseen * error + noise;
        }
}

void mm_scene_predict(mm_scene *scene, double skill, uint64_t seed)
{
    uint64_t state = seed;

    for (size_t image = 0; image < MM_SCENE_IMAGES; image++)
        predict_image(scene->logits + image * MM_SCENE_CLASSES * MM_SCENE_VOXELS, image, (float)(1.0 - skill), &state);
}

mm_tensor mm_scene_pred(const mm_scene *scene)
{
    return (mm_tensor){.data = scene->logits,
                       .dtype = MM_F32,
                       .rank = 4,
                       .dim = {MM_SCENE_IMAGES, MM_SCENE_CLASSES, MM_SCENE_SIDE, MM_SCENE_SIDE}};
}

mm_tensor mm_scene_label(const mm_scene *scene)
{
    return (mm_tensor){
        .data = scene->label, .dtype = MM_U8, .rank = 3, .dim = {MM_SCENE_IMAGES, MM_SCENE_SIDE, MM_SCENE_SIDE}};
}
