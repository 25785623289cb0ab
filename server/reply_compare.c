/*
 * reply_compare.c - two runs side by side, as JSON
 */
#include "server/reply_compare.h"
#include "server/json.h"

#define NAME(json, literal) MM_JSON_NAME(json, literal)

static void put_number(mm_json *json, const mm_paired *paired, double number)
{
    if (paired->pairs > 0)
        mm_json_number(json, number);
    else
        MM_JSON_RAW(json, "null");
}

static void put_class(mm_json *json, const mm_compared_class *row)
{
    const mm_paired *paired = &row->paired;

    mm_json_open(json, '{');
    NAME(json, "class");
    mm_json_string(json, row->name);
    NAME(json, "images");
    mm_json_count(json, paired->pairs);
    NAME(json, "base");
    put_number(json, paired, paired->base);
    NAME(json, "head");
    put_number(json, paired, paired->head);
    NAME(json, "difference");
    put_number(json, paired, paired->difference);
    NAME(json, "low");
    put_number(json, paired, paired->low);
    NAME(json, "high");
    put_number(json, paired, paired->high);
    NAME(json, "wins");
    mm_json_count(json, paired->wins);
    NAME(json, "losses");
    mm_json_count(json, paired->losses);
    mm_json_close(json, '}');
}

char *mm_reply_comparison(const mm_comparison *c, size_t *size)
{
    static const char *const betters[] = {"lower", "higher", "neither"};
    mm_json json;

    mm_json_begin(&json, 512 + 256 * c->class_count);
    mm_json_open(&json, '{');
    NAME(&json, "base");
    mm_json_string(&json, c->base);
    NAME(&json, "head");
    mm_json_string(&json, c->head);
    NAME(&json, "split");
    mm_json_string(&json, c->split);
    NAME(&json, "score");
    mm_json_string(&json, c->score);
    NAME(&json, "better");
    mm_json_string(&json, betters[c->better]);
    NAME(&json, "base_step");
    mm_json_integer(&json, c->base_step);
    NAME(&json, "head_step");
    mm_json_integer(&json, c->head_step);
    NAME(&json, "images");
    mm_json_count(&json, c->images);
    NAME(&json, "classes");
    mm_json_open(&json, '[');
    for (size_t i = 0; i < c->class_count; i++)
        put_class(&json, &c->classes[i]);
    mm_json_close(&json, ']');
    mm_json_close(&json, '}');
    return mm_json_end(&json, size);
}
