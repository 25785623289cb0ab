/*
 * test_scene.c - the made-up pictures: the same everywhere, and predictions that get better.
 */
#include "tests/suites.h"

#include <string.h>

#include "server/scene.h"

static mm_scene scene;

static void begin(void)
{
    CU_ASSERT_EQUAL_FATAL(mm_scene_new(&scene), MM_OK);
}

static void end(void)
{
    mm_scene_free(&scene);
    mm_scene_free(&scene); /* a zero one is fine */
}

static size_t favourite(size_t image, size_t voxel)
{
    const float *logits = scene.logits + image * MM_SCENE_CLASSES * MM_SCENE_VOXELS + voxel;
    size_t best = 0;

    for (size_t c = 1; c < MM_SCENE_CLASSES; c++)
        if (logits[c * MM_SCENE_VOXELS] > logits[best * MM_SCENE_VOXELS])
            best = c;
    return best;
}

/* Voxels whose prediction is the label, and those predicted as `organ`. */
static size_t right(size_t organ, size_t *predicted)
{
    size_t same = 0;

    *predicted = 0;
    for (size_t image = 0; image < MM_SCENE_IMAGES; image++)
        for (size_t voxel = 0; voxel < MM_SCENE_VOXELS; voxel++) {
            const size_t chosen = favourite(image, voxel);

            same += chosen == scene.label[image * MM_SCENE_VOXELS + voxel];
            *predicted += chosen == organ;
        }
    return same;
}

static void test_labels(void)
{
    size_t voxels[MM_SCENE_CLASSES] = {0};

    begin();
    for (size_t i = 0; i < MM_SCENE_IMAGES * MM_SCENE_VOXELS; i++) {
        CU_ASSERT_FATAL(scene.label[i] < MM_SCENE_CLASSES);
        voxels[scene.label[i]]++;
    }
    for (size_t c = 0; c < MM_SCENE_CLASSES; c++)
        CU_ASSERT(voxels[c] > 100);
    /* The second image has no lesion, the first has. */
    CU_ASSERT_PTR_NULL(memchr(scene.label + MM_SCENE_VOXELS, MM_SCENE_CLASSES - 1, MM_SCENE_VOXELS));
    CU_ASSERT_PTR_NOT_NULL(memchr(scene.label, MM_SCENE_CLASSES - 1, MM_SCENE_VOXELS));
    end();
}

static void test_learning(void)
{
    const size_t all = MM_SCENE_IMAGES * MM_SCENE_VOXELS, lesion = MM_SCENE_CLASSES - 1;
    size_t before = 0, predicted;

    begin();
    for (int i = 0; i <= 4; i++) {
        const size_t now = (mm_scene_predict(&scene, 0.25 * i, 7), right(lesion, &predicted));

        CU_ASSERT(now > before);
        CU_ASSERT_EQUAL(predicted == 0, i < 2); /* a beginner sees no lesion */
        before = now;
    }
    CU_ASSERT(before > all / 100 * 97);
    end();
}

static void test_same_numbers(void)
{
    static float first[MM_SCENE_VOXELS];

    begin();
    mm_scene_predict(&scene, 0.5, 1);
    memcpy(first, scene.logits, sizeof first);
    mm_scene_predict(&scene, 0.5, 2);
    CU_ASSERT_NOT_EQUAL(memcmp(first, scene.logits, sizeof first), 0);
    mm_scene_predict(&scene, 0.5, 1);
    CU_ASSERT_EQUAL(memcmp(first, scene.logits, sizeof first), 0);
    end();
}

static void test_views(void)
{
    size_t pred = 0, label = 0;
    mm_tensor view;

    begin();
    view = mm_scene_pred(&scene);
    CU_ASSERT_EQUAL(mm_tensor_bytes(&view, &pred), MM_OK);
    view = mm_scene_label(&scene);
    CU_ASSERT_EQUAL(mm_tensor_bytes(&view, &label), MM_OK);
    CU_ASSERT_EQUAL(label, MM_SCENE_IMAGES * MM_SCENE_VOXELS);
    CU_ASSERT_EQUAL(pred, label * MM_SCENE_CLASSES * sizeof(float));
    end();
}

static CU_TestInfo tests[] = {
    {"labels", test_labels}, {"learning", test_learning}, {"the same numbers", test_same_numbers},
    {"views", test_views},   CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_scene = {"scene", tests};
