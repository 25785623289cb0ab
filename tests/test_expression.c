/*
 * test_expression.c - the grammar of expressions: what is read, what is refused, and what the refusal says.
 */
#include "tests/suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/plan.h"

/* clang-format off */
/* Fine expressions: the number of items, the name and the expression of the last one. */
static const struct {
    const char *text;
    size_t      count;
    const char *name, *expression;
} good[] = {
    {"dice",                               1, "dice", "dice"},
    {" dice ( ) ",                         1, "dice()", "dice()"},
    {"dice,iou",                           2, "iou", "iou"},
    {"dice,\r\n\tiou\r",                   2, "iou", "iou"},
    {"seed.categorical_focal_loss(gamma=2,alpha=[1,2,3])", 1, "seed.categorical_focal_loss(gamma=2,alpha=[1,2,3])",
                                              "seed.categorical_focal_loss(gamma=2,alpha=[1,2,3])"},
    {"generalized_wasserstein_dice_loss(matrix=[[0,1],[2,0]])", 1,
     "generalized_wasserstein_dice_loss(matrix=[[0,1],[2,0]])", "generalized_wasserstein_dice_loss(matrix=[[0,1],[2,0]])"},
    {"sum(monai.DiceLoss,dice_loss)",      1, "sum(monai.DiceLoss,dice_loss)", "sum(monai.DiceLoss,dice_loss)"},
    {"mine : dice",                        1, "mine", "dice"},
    {"a-1:dice,a_1:iou",                   2, "a_1", "iou"},
    {"f1,jaccard,sensitivity",             3, "sensitivity", "sensitivity"},
    {"tversky_loss( alpha = .3 , beta=+1 )", 1, "tversky_loss(alpha=.3,beta=+1)", "tversky_loss(alpha=.3,beta=+1)"},
    {"dice(classes=[1, 3])",               1, "dice(classes=[1,3])", "dice(classes=[1,3])"},
    {"dice(classes=foreground,over=pooled,absent=0)", 1, "dice(classes=foreground,over=pooled,absent=0)",
                                              "dice(classes=foreground,over=pooled,absent=0)"},
    {"focal_loss(alpha=none)",             1, "focal_loss(alpha=none)", "focal_loss(alpha=none)"},
    {"focal_loss(alpha=[1,2e0,3E-1])",     1, "focal_loss(alpha=[1,2e0,3E-1])", "focal_loss(alpha=[1,2e0,3E-1])"},
    {"cross_entropy(normalize_weights=false)", 1, "cross_entropy(normalize_weights=false)",
                                              "cross_entropy(normalize_weights=false)"},
    {"sum(dice_loss)",                     1, "sum(dice_loss)", "sum(dice_loss)"},
    {"x:sum(0.5*dice_loss, -1e-1 * sum(iou,f1))", 1, "x", "sum(0.5*dice_loss,-1e-1*sum(iou,f1))"},
    {"sum(sum(sum(sum(sum(sum(sum(sum(dice))))))))", 1, "sum(sum(sum(sum(sum(sum(sum(sum(dice))))))))",
                                              "sum(sum(sum(sum(sum(sum(sum(sum(dice))))))))"},
    {"seed.categorical_tversky(beta=0.3,weight_loss=[1,2,3])", 1,
     "seed.categorical_tversky(beta=0.3,weight_loss=[1,2,3])", "seed.categorical_tversky(beta=0.3,weight_loss=[1,2,3])"},
    {"sum(seed.categorical_dice,dice_loss)", 1, "sum(seed.categorical_dice,dice_loss)", "sum(seed.categorical_dice,dice_loss)"},
};

/* Refused expressions: the status, and words of the text. */
static const struct {
    const char *text;
    mm_status   status;
    const char *words;
} bad[] = {
    {",",                         MM_BAD_EXPRESSION, "byte 1: a score"},
    {" ",                         MM_BAD_EXPRESSION, "the list ends where a score"},
    {"dice,",                     MM_BAD_EXPRESSION, "the list ends where a score"},
    {"dice iou",                  MM_BAD_EXPRESSION, "byte 6: ','"},
    {"dice)",                     MM_BAD_EXPRESSION, "byte 5: ','"},
    {"dice(",                     MM_BAD_EXPRESSION, "the list ends where a parameter"},
    {"dice(over",                 MM_BAD_EXPRESSION, "the list ends where '='"},
    {"dice(over=image",           MM_BAD_EXPRESSION, "the list ends where ',' or ')'"},
    {"dice(over=image,)",         MM_BAD_EXPRESSION, "byte 17: a parameter"},
    {"dice(over image)",          MM_BAD_EXPRESSION, "byte 11: '='"},
    {"dice(dice)",                MM_BAD_EXPRESSION, "byte 10: '='"},
    {"dice(=1)",                  MM_BAD_EXPRESSION, "byte 6: a parameter"},
    {"di\"ce",                    MM_UNKNOWN_SCORE,  "no score \"di\""},
    {"\xc3\xa4",                  MM_BAD_EXPRESSION, "byte 1: a score"},
    {"a.b:dice",                  MM_BAD_EXPRESSION, "byte 1: an alias"},
    {":dice",                     MM_BAD_EXPRESSION, "byte 1: an alias"},
    {"x:",                        MM_BAD_EXPRESSION, "the list ends where a score"},
    {"x:y:dice",                  MM_UNKNOWN_SCORE,  "no score \"y\""},
    {"dice,dice",                 MM_BAD_EXPRESSION, "byte 6: this expression is in the list twice"},
    {"a:dice,b: dice",            MM_BAD_EXPRESSION, "byte 11: this expression is in the list twice"},
    {"a:dice,a:iou",              MM_BAD_EXPRESSION, "byte 10: this name is in the list twice"},
    {"iou:dice,iou",              MM_BAD_EXPRESSION, "byte 10: this name is in the list twice"},
    {"0.5*dice",                  MM_BAD_EXPRESSION, "byte 1: factors stand only inside sum()"},
    {"sum",                       MM_BAD_EXPRESSION, "the list ends where '('"},
    {"sum()",                     MM_BAD_EXPRESSION, "byte 5: a score"},
    {"sum(dice",                  MM_BAD_EXPRESSION, "the list ends where ',' or ')'"},
    {"sum(dice,)",                MM_BAD_EXPRESSION, "byte 10: a score"},
    {"sum(dice iou)",             MM_BAD_EXPRESSION, "byte 10: ',' or ')'"},
    {"sum(x*dice)",               MM_BAD_EXPRESSION, "byte 5: a number"},
    {"sum(*dice)",                MM_BAD_EXPRESSION, "byte 5: a number"},
    {"sum(1e999*dice)",           MM_BAD_EXPRESSION, "byte 5: a number"},
    {"sum(2*)",                   MM_BAD_EXPRESSION, "byte 7: a score"},
    {"sum(over=image,dice)",      MM_BAD_PARAM,      "byte 5: sum() has no parameters"},
    {"sum(dice,monai.DiceLoss(reduction=none))", MM_BAD_EXPRESSION, "byte 10: monai.DiceLoss gives a list; sum() adds numbers"},
    {"sum(x:dice)",               MM_UNKNOWN_SCORE,  "byte 5: there is no score \"x\""},
    {"sum(sum(sum(sum(sum(sum(sum(sum(sum(dice)))))))))", MM_BAD_EXPRESSION, "byte 33: sum() is nested more than 8 deep"},
    {"dise",                      MM_UNKNOWN_SCORE,  "no score \"dise\"; did you mean \"dice\""},
    {"DICE",                      MM_UNKNOWN_SCORE,  "did you mean \"dice\""},
    {"idce",                      MM_UNKNOWN_SCORE,  "did you mean \"dice\""},
    {"dice,tverksy_loss",         MM_UNKNOWN_SCORE,  "byte 6: there is no score \"tverksy_loss\"; did you mean \"tversky_loss\""},
    {"thread_score",              MM_UNKNOWN_SCORE,  "did you mean \"iou\""},
    {"categorical_dice",          MM_UNKNOWN_SCORE,  "did you mean \"seed.categorical_dice\""},
    {"qqqq",                      MM_UNKNOWN_SCORE,  "no score \"qqqq\"; the nearest is \""},
    {"square_dice_loss",         MM_UNKNOWN_SCORE,  "did you mean \"squared_dice_loss\""},
    {"3",                         MM_UNKNOWN_SCORE,  "no score \"3\""},
    {"di+ce",                     MM_UNKNOWN_SCORE,  "byte 1: this is not the name of a score"},
    {"dice(absnt=0)",             MM_BAD_PARAM,      "byte 6: dice has no parameter \"absnt\"; did you mean \"absent\""},
    {"dice(zzz=0)",               MM_BAD_PARAM,      "dice has no parameter \"zzz\"; the nearest is \""},
    {"tp(absent=0)",              MM_BAD_PARAM,      "tp has no parameter \"absent\""},
    {"generalized_dice_loss(average=macro)", MM_BAD_PARAM, "no parameter \"average\""},
    {"focal_tversky_loss(overlap=l1)", MM_BAD_PARAM, "no parameter \"overlap\""},
    {"seed.binary_crossentropy(beta=1)", MM_BAD_PARAM, "byte 26: seed.binary_crossentropy has no parameters, so no \"beta\""},
    {"seed.categorical_dice(over=pooled)", MM_BAD_PARAM, "no parameter \"over\""},
    {"seed.categorical_tversky",  MM_BAD_PARAM,      "byte 1: seed.categorical_tversky needs the parameter \"beta\""},
    {"dice(over=image,over=image)", MM_BAD_PARAM,    "byte 17: parameter \"over\" is given twice"},
    {"dice(over=batch)",          MM_BAD_PARAM,      "byte 11: parameter \"over\" of dice must be one of image|pooled"},
    {"dice(over=)",               MM_BAD_PARAM,      "byte 11: parameter \"over\""},
    {"dice(over=[image])",        MM_BAD_PARAM,      "must be one of image|pooled"},
    {"dice(absent=2)",            MM_BAD_PARAM,      "must be one of skip|0|1"},
    {"dice(classes=some)",        MM_BAD_PARAM,      "must be a list of numbers from 0 to 4095, or one of all|foreground"},
    {"dice(classes=1)",           MM_BAD_PARAM,      "must be a list of numbers"},
    {"dice(classes=[])",          MM_BAD_PARAM,      "must be a list of numbers"},
    {"dice(classes=[1)",          MM_BAD_PARAM,      "must be a list of numbers"},
    {"dice(classes=[1;2])",       MM_BAD_PARAM,      "must be a list of numbers"},
    {"dice(classes=[[1]])",       MM_BAD_PARAM,      "must be a list of numbers"},
    {"dice(classes=[-1])",        MM_BAD_PARAM,      "must be a list of numbers"},
    {"dice(classes=[4096])",      MM_BAD_PARAM,      "must be a list of numbers"},
    {"dice(classes=[0.5])",       MM_BAD_PARAM,      "classes takes whole numbers"},
    {"dice(classes=[1,2,1])",     MM_BAD_PARAM,      "classes names a class twice"},
    {"dice(over=pooled,stat=p5)", MM_BAD_PARAM,      "cannot go with over=pooled"},
    {"dice(normalize_weights=1)", MM_BAD_PARAM,      "must be one of true|false"},
    {"tversky_loss(alpha=-1)",    MM_BAD_PARAM,      "byte 20: parameter \"alpha\" of tversky_loss must be a number from 0 to 1e+06"},
    {"tversky_loss(alpha=[1])",   MM_BAD_PARAM,      "must be a number"},
    {"tversky_loss(alpha=one)",   MM_BAD_PARAM,      "must be a number"},
    {"tversky_loss(alpha=nan)",   MM_BAD_PARAM,      "must be a number"},
    {"tversky_loss(alpha=1e999)", MM_BAD_PARAM,      "must be a number"},
    {"tversky_loss(alpha=01)",    MM_BAD_PARAM,      "must be a number"},
    {"tversky_loss(alpha=1.)",    MM_BAD_PARAM,      "must be a number"},
    {"tversky_loss(alpha=0x1)",   MM_BAD_PARAM,      "must be a number"},
    {"tversky_loss(alpha=.)",     MM_BAD_PARAM,      "must be a number"},
    {"tversky_loss(alpha=1e)",    MM_BAD_PARAM,      "must be a number"},
    {"tversky_loss(alpha=1e+)",   MM_BAD_PARAM,      "must be a number"},
    {"tversky_loss(alpha=0.00000000000000000000000000000000000000000000000000000000000001)", MM_BAD_PARAM, "must be a number"},
    {"generalized_wasserstein_dice_loss(matrix=1)", MM_BAD_PARAM, "must be a square list of lists of numbers from 0 to 1e+06, or equal"},
    {"generalized_wasserstein_dice_loss(matrix=[0,1])", MM_BAD_PARAM, "must be a square list"},
    {"generalized_wasserstein_dice_loss(matrix=[])", MM_BAD_PARAM, "must be a square list"},
    {"generalized_wasserstein_dice_loss(matrix=[[0,1]])", MM_BAD_PARAM, "must be a square list"},
    {"generalized_wasserstein_dice_loss(matrix=[[0,1],[1]])", MM_BAD_PARAM, "must be a square list"},
    {"generalized_wasserstein_dice_loss(matrix=[[0,1],[1,0])", MM_BAD_PARAM, "must be a square list"},
    {"generalized_wasserstein_dice_loss(matrix=[[0,1],[1,0]", MM_BAD_PARAM, "must be a square list"},
    {"tversky_loss(alpha=--1)",   MM_BAD_PARAM,      "must be a number"},
    {"dice_loss(smooth_nr=yes)",  MM_BAD_PARAM,      "must be a number from 0 to 1e+06, or smooth"},
    {"focal_loss(alpha=some)",    MM_BAD_PARAM,      "must be a number from 0 to 1e+06 or a list of such, or none"},
    {"cross_entropy(label_smoothing=1.5)", MM_BAD_PARAM, "must be a number from 0 to 1"},
    {"cross_entropy(eps=0)",      MM_BAD_PARAM,      "parameter \"eps\" of cross_entropy"},
    {"seed.categorical_focal_loss(gamma=2,alpha=1)", MM_BAD_PARAM, "must be a list of numbers from 0 to 1e+06"},
};
/* clang-format on */

static void test_good(void)
{
    for (size_t i = 0; i < MM_COUNT(good); i++) {
        mm_plan *plan = NULL;
        mm_problem problem = {.text = ""};

        CU_ASSERT_EQUAL(mm_plan_new(&plan, good[i].text, &problem), MM_OK);
        if (plan == NULL) {
            printf("\n    %s: %s\n", good[i].text, problem.text);
            continue;
        }
        const size_t last = mm_plan_count(plan) - 1;

        CU_ASSERT_EQUAL(mm_plan_count(plan), good[i].count);
        CU_ASSERT_STRING_EQUAL(mm_plan_name(plan, last), good[i].name);
        CU_ASSERT_STRING_EQUAL(mm_plan_expression(plan, last), good[i].expression);
        mm_plan_free(plan);
    }
}

/* The status, the place, the word that was meant; and a NULL problem is fine. */
static void test_bad(void)
{
    for (size_t i = 0; i < MM_COUNT(bad); i++) {
        mm_plan *plan = NULL;
        mm_problem problem = {.text = ""};
        const mm_status status = mm_plan_new(&plan, bad[i].text, &problem);

        CU_ASSERT_EQUAL(status, bad[i].status);
        CU_ASSERT_STRING_EQUAL(problem.param, "scores");
        CU_ASSERT_PTR_NULL(plan);
        if (strstr(problem.text, bad[i].words) == NULL) {
            printf("\n    %s: \"%s\" lacks \"%s\"\n", bad[i].text, problem.text, bad[i].words);
            CU_FAIL("text of a problem");
        }
        CU_ASSERT_EQUAL(mm_plan_new(&plan, bad[i].text, NULL), bad[i].status);
    }
}

/* mm_plan_text() reads back to the same text, names and sums. */
static void test_text_reads_back(void)
{
    for (size_t i = 0; i < MM_COUNT(good); i++) {
        mm_plan *first = NULL, *second = NULL;

        CU_ASSERT_EQUAL_FATAL(mm_plan_new(&first, good[i].text, NULL), MM_OK);
        CU_ASSERT_EQUAL_FATAL(mm_plan_new(&second, mm_plan_text(first), NULL), MM_OK);
        CU_ASSERT_STRING_EQUAL(mm_plan_text(first), mm_plan_text(second));
        CU_ASSERT_EQUAL(mm_plan_count(first), mm_plan_count(second));
        for (size_t k = 0; k < mm_plan_count(first); k++) {
            CU_ASSERT_STRING_EQUAL(mm_plan_name(first, k), mm_plan_name(second, k));
            CU_ASSERT_STRING_EQUAL(mm_plan_expression(first, k), mm_plan_expression(second, k));
        }
        mm_plan_free(first);
        mm_plan_free(second);
    }
}

/* Any cut of a long list, and any single byte replaced, is read or refused; what is refused never echoes a byte that
 * is not printable. */
static void test_mutations(void)
{
    static const char text[] = "a:sum(0.5*dice_loss(overlap=l1,classes=[0,1]),.5*focal_loss(alpha=none)),f1(stat=p95)";
    static const char odd[] = "\x01\x7f\x80\xff\"\\'<>&,:()[]=*.+-_ \t\n09azAZ";
    char copy[sizeof text];
    int printable = 1;

    for (size_t i = 0; i < sizeof text; i++)
        for (size_t k = 0; k < sizeof odd; k++) {
            mm_problem problem = {.text = ""};
            mm_plan *plan = NULL;

            memcpy(copy, text, sizeof text);
            copy[i] = i + 1 == sizeof text ? '\0' : odd[k]; /* odd ends with NUL: a cut */
            if (mm_plan_new(&plan, copy, &problem) != MM_OK)
                for (const char *at = problem.text; *at != '\0'; at++)
                    printable = printable && *at >= ' ' && *at < 0x7f;
            mm_plan_free(plan);
        }
    CU_ASSERT(printable);
}

/* No word of the client is repeated whole when it is long. */
static void test_long_words(void)
{
    char text[5000];
    mm_problem problem = {.text = ""};
    mm_plan *plan = NULL;

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    CU_ASSERT_EQUAL(mm_plan_new(&plan, text, &problem), MM_UNKNOWN_SCORE);
    CU_ASSERT(strlen(problem.text) < 120);
    memcpy(text, "dice(", 5);
    text[sizeof text - 3] = '=';
    CU_ASSERT_EQUAL(mm_plan_new(&plan, text, &problem), MM_BAD_PARAM);
    CU_ASSERT(strlen(problem.text) < 120);
}

/* "sum(" and `count` terms "tversky_loss(alpha=i)", or a list of them. */
static char *many(size_t count, int in_sum)
{
    char *text = malloc(40 * count + 8);
    size_t used = 0;

    if (text == NULL)
        return NULL;
    used += (size_t)sprintf(text, "%s", in_sum ? "sum(" : "");
    for (size_t i = 0; i < count; i++)
        used += (size_t)sprintf(text + used, "%stversky_loss(alpha=%zu)", i > 0 ? "," : "", i);
    sprintf(text + used, "%s", in_sum ? ")" : "");
    return text;
}

static mm_status status_of_many(size_t count, int in_sum)
{
    char *text = many(count, in_sum);
    mm_plan *plan = NULL;
    mm_status status = MM_NO_MEMORY;

    if (text != NULL)
        status = mm_plan_new(&plan, text, NULL);
    mm_plan_free(plan);
    free(text);
    return status;
}

/* "sum(0*tp),sum(1*tp)" and so on, two nodes each: a sum is the first one past the limit. */
static mm_status status_of_sums(size_t count)
{
    char *text = malloc(40 * count + 1);
    mm_plan *plan = NULL;
    mm_status status = MM_NO_MEMORY;
    size_t used = 0;

    for (size_t i = 0; text != NULL && i < count; i++)
        used += (size_t)sprintf(text + used, "%ssum(%zu*tp)", i > 0 ? "," : "", i);
    if (text != NULL)
        status = mm_plan_new(&plan, text, NULL);
    mm_plan_free(plan);
    free(text);
    return status;
}

/* At the limits, and one past them. */
static void test_limits(void)
{
    char text[MM_MAX_EXPRESSION_TEXT + 2];
    mm_plan *plan = NULL;

    CU_ASSERT_EQUAL(status_of_many(MM_MAX_EXPRESSIONS, 0), MM_OK);
    CU_ASSERT_EQUAL(status_of_many(MM_MAX_EXPRESSIONS + 1, 0), MM_BAD_EXPRESSION);
    CU_ASSERT_EQUAL(status_of_many(MM_MAX_EXPRESSIONS - 1, 1), MM_OK); /* the sum counts, too */
    CU_ASSERT_EQUAL(status_of_many(MM_MAX_EXPRESSIONS, 1), MM_BAD_EXPRESSION);
    CU_ASSERT_EQUAL(status_of_sums(MM_MAX_EXPRESSIONS / 2), MM_OK);
    CU_ASSERT_EQUAL(status_of_sums(MM_MAX_EXPRESSIONS / 2 + 1), MM_BAD_EXPRESSION);
    memset(text, ' ', sizeof text);
    memcpy(text, "dice", 4);
    text[MM_MAX_EXPRESSION_TEXT] = '\0';
    CU_ASSERT_EQUAL(mm_plan_new(&plan, text, NULL), MM_OK);
    mm_plan_free(plan);
    plan = NULL;
    text[MM_MAX_EXPRESSION_TEXT] = ' ';
    text[MM_MAX_EXPRESSION_TEXT + 1] = '\0';
    CU_ASSERT_EQUAL(mm_plan_new(&plan, text, NULL), MM_BAD_EXPRESSION);
}

/* ------------------------------------------------------------------- bind */

static mm_status bind(const char *text, mm_shape shape, mm_plan **plan, mm_problem *problem)
{
    *problem = (mm_problem){.text = ""};
    *plan = NULL;
    if (mm_plan_new(plan, text, problem) != MM_OK)
        return MM_BAD_EXPRESSION;
    return mm_plan_bind(*plan, &shape, problem);
}

static const mm_shape three_classes = {
    .images = 1, .classes = 3, .spatial_rank = 1, .voxels = 4, .task = MM_MULTICLASS, .pred_kind = MM_PROBS};

/* clang-format off */
static const struct {
    const char *text;
    mm_pred_kind kind;
    mm_task     task;
    mm_status   status;
    const char *words;
} bindings[] = {
    {"dice(classes=[0,2])",                      MM_PROBS,  MM_MULTICLASS, MM_OK,         ""},
    {"dice(classes=[3])",                        MM_PROBS,  MM_MULTICLASS, MM_BAD_PARAM,  "\"classes\" of dice names class 3; there are 3 classes"},
    {"sum(dice,iou(classes=[7]))",               MM_PROBS,  MM_MULTICLASS, MM_BAD_PARAM,  "names class 7"},
    {"focal_loss(alpha=[1,2,3])",                MM_PROBS,  MM_MULTICLASS, MM_OK,         ""},
    {"focal_loss(alpha=[1,2])",                  MM_PROBS,  MM_MULTICLASS, MM_BAD_PARAM,  "\"alpha\" of focal_loss has 2 numbers; there are 3 classes"},
    {"focal_loss(alpha=[1,2,3])",                MM_PROBS,  MM_MULTILABEL, MM_BAD_PARAM,  "alpha is at most 1"},
    {"focal_loss(alpha=2)",                      MM_PROBS,  MM_MULTICLASS, MM_BAD_PARAM,  "alpha is at most 1"},
    {"focal_loss(alpha=1)",                      MM_PROBS,  MM_MULTICLASS, MM_OK,         ""},
    {"binary_cross_entropy(pos_weight=[1,2,3,4])", MM_PROBS, MM_MULTICLASS, MM_BAD_PARAM, "has 4 numbers"},
    {"seed.categorical_dice(weight_loss=[1,2])", MM_PROBS,  MM_MULTICLASS, MM_BAD_PARAM,  "\"weight_loss\" of seed.categorical_dice has 2"},
    {"cross_entropy(label_smoothing=0.1,classes=foreground)", MM_PROBS, MM_MULTICLASS, MM_BAD_PARAM, "needs all classes"},
    {"cross_entropy(label_smoothing=0.1,classes=[2,1,0])", MM_PROBS, MM_MULTICLASS, MM_OK, ""},
    {"cross_entropy(label_smoothing=0.1,classes=foreground)", MM_PROBS, MM_MULTILABEL, MM_OK, ""},
    {"cross_entropy",                            MM_LABELS, MM_MULTICLASS, MM_UNSUITABLE, "cross_entropy needs probabilities or logits; pred is hard labels"},
    {"focal_loss",                               MM_MASKS,  MM_MULTILABEL, MM_UNSUITABLE, "pred is hard masks"},
    {"sum(dice,seed.binary_focal)",              MM_MASKS,  MM_MULTILABEL, MM_UNSUITABLE, "seed.binary_focal needs probabilities"},
    {"dice_loss,jaccard_loss,seed.categorical_dice", MM_LABELS, MM_MULTICLASS, MM_OK,     ""},
    {"cross_entropy,focal_loss",                 MM_LOGITS, MM_MULTICLASS, MM_OK,         ""},
    {"cross_entropy,focal_loss",                 MM_PROBS_U8, MM_MULTICLASS, MM_OK,       ""},
};
/* clang-format on */

static void test_bind(void)
{
    for (size_t i = 0; i < MM_COUNT(bindings); i++) {
        mm_shape shape = three_classes;
        mm_problem problem;
        mm_plan *plan;

        shape.task = bindings[i].task;
        shape.pred_kind = bindings[i].kind;
        CU_ASSERT_EQUAL(bind(bindings[i].text, shape, &plan, &problem), bindings[i].status);
        if (strstr(problem.text, bindings[i].words) == NULL) {
            printf("\n    %s: \"%s\" lacks \"%s\"\n", bindings[i].text, problem.text, bindings[i].words);
            CU_FAIL("text of a problem");
        }
        mm_plan_free(plan);
    }
}

/* The default set, less what hard predictions cannot give; asked for by name, it is an error. */
static void test_default_set(void)
{
    static const char all[] = "dice,iou,precision,recall,dice_loss,tversky_loss,cross_entropy,focal_loss";
    static const char hard[] = "dice,iou,precision,recall,dice_loss,tversky_loss";
    mm_shape shape = three_classes;
    mm_problem problem;
    mm_plan *plan;

    CU_ASSERT_EQUAL(bind("", shape, &plan, &problem), MM_OK);
    CU_ASSERT_STRING_EQUAL(mm_plan_text(plan), all);
    mm_plan_free(plan);
    CU_ASSERT_EQUAL(bind(NULL, shape, &plan, &problem), MM_OK);
    CU_ASSERT_STRING_EQUAL(mm_plan_text(plan), all);
    mm_plan_free(plan);
    shape.pred_kind = MM_LABELS;
    CU_ASSERT_EQUAL(bind(NULL, shape, &plan, &problem), MM_OK);
    CU_ASSERT_STRING_EQUAL(mm_plan_text(plan), hard);
    CU_ASSERT_EQUAL(mm_plan_count(plan), 6);
    CU_ASSERT_STRING_EQUAL(mm_plan_name(plan, 5), "tversky_loss");
    mm_plan_free(plan);
    CU_ASSERT_EQUAL(bind(all, shape, &plan, &problem), MM_UNSUITABLE);
    mm_plan_free(plan);
}

/* Scores share sums: the second costs nothing.  More than fit are refused. */
static void test_stats(void)
{
    mm_stat stats[MM_MAX_STATS];
    mm_problem problem;
    mm_plan *plan;

    CU_ASSERT_EQUAL(bind("dice,iou,tp", three_classes, &plan, &problem), MM_OK);
    CU_ASSERT_EQUAL(mm_plan_stats(plan, stats), 0);
    mm_plan_free(plan);
    CU_ASSERT_EQUAL(bind("dice_loss", three_classes, &plan, &problem), MM_OK);
    CU_ASSERT_EQUAL(mm_plan_stats(plan, stats), 3);
    mm_plan_free(plan);
    CU_ASSERT_EQUAL(
        bind("dice_loss,sum(jaccard_loss,tversky_loss),seed.categorical_dice", three_classes, &plan, &problem), MM_OK);
    CU_ASSERT_EQUAL(mm_plan_stats(plan, stats), 3);
    mm_plan_free(plan);

    char text[4096];
    size_t used = 0;
    for (int i = 0; i <= MM_MAX_STATS; i++)
        used += (size_t)sprintf(text + used, "%sfocal_loss(gamma=%d)", i > 0 ? "," : "", i);
    CU_ASSERT_EQUAL(bind(text, three_classes, &plan, &problem), MM_BAD_PARAM);
    CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, "more than 64"));
    mm_plan_free(plan);
}

/* A sum points where its terms point, a negative factor turning them round. */
static void test_direction(void)
{
    static const struct {
        const char *text;
        mm_better better;
        mm_kind kind;
    } cases[] = {
        {"dice", MM_HIGHER, MM_METRIC},
        {"dice_loss", MM_LOWER, MM_LOSS},
        {"tp", MM_NEITHER, MM_COUNT_KIND},
        {"sum(dice_loss,cross_entropy)", MM_LOWER, MM_LOSS},
        {"sum(dice_loss,-1*dice)", MM_LOWER, MM_LOSS},
        {"sum(dice,iou)", MM_HIGHER, MM_METRIC},
        {"sum(-1*dice_loss,-1*sum(cross_entropy,-2*iou))", MM_HIGHER, MM_METRIC},
        {"sum(dice,dice_loss)", MM_NEITHER, MM_COUNT_KIND},
        {"sum(dice,0*dice_loss)", MM_HIGHER, MM_METRIC},
        {"sum(dice,tp)", MM_NEITHER, MM_COUNT_KIND},
        {"sum(tp,fp,dice)", MM_NEITHER, MM_COUNT_KIND},
        {"sum(dice,0*tp)", MM_HIGHER, MM_METRIC},
        {"sum(0*dice,dice_loss)", MM_LOWER, MM_LOSS},
        {"sum(0*dice,0*dice_loss)", MM_NEITHER, MM_COUNT_KIND},
        {"seed.categorical_dice", MM_LOWER, MM_LOSS},
    };

    for (size_t i = 0; i < MM_COUNT(cases); i++) {
        mm_plan *plan = NULL;

        CU_ASSERT_EQUAL_FATAL(mm_plan_new(&plan, cases[i].text, NULL), MM_OK);
        CU_ASSERT_EQUAL(mm_plan_better(plan, 0), cases[i].better);
        CU_ASSERT_EQUAL(mm_plan_kind(plan, 0), cases[i].kind);
        mm_plan_free(plan);
    }
    mm_plan_free(NULL);
}

static CU_TestInfo tests[] = {
    {"what is read", test_good},
    {"what is refused, and what the text says", test_bad},
    {"the text of a plan reads back", test_text_reads_back},
    {"every byte replaced, every cut", test_mutations},
    {"long words are not repeated", test_long_words},
    {"limits", test_limits},
    {"fitting a plan to an input", test_bind},
    {"the default set", test_default_set},
    {"scores share sums", test_stats},
    {"which way is better", test_direction},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_expression = {"expression", tests};
