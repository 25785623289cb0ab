/*
 * lines.c - a queue of lines that are served in turn.
 */
#include "server/lines.h"

static void unlink_line(mm_lines *lines, mm_line *line)
{
    *(line->before != NULL ? &line->before->next : &lines->first) = line->next;
    *(line->next != NULL ? &line->next->before : &lines->last) = line->before;
}

/* Between two that are neighbours; NULL: the end. */
static void link_line(mm_lines *lines, mm_line *line, mm_line *before, mm_line *next)
{
    line->before = before;
    line->next = next;
    *(before != NULL ? &before->next : &lines->first) = line;
    *(next != NULL ? &next->before : &lines->last) = line;
}

void mm_lines_add(mm_lines *lines, mm_line *line, mm_waiter *waiter)
{
    if (line == NULL)
        line = &lines->nobodys;
    *waiter = (mm_waiter){.line = line};
    if (line->waiting == 0) {
        link_line(lines, line, lines->last, NULL);
        line->first = waiter;
    } else {
        line->last->next = waiter;
    }
    line->last = waiter;
    line->waiting++;
    lines->waiting++;
}

mm_waiter *mm_lines_take(mm_lines *lines, size_t most)
{
    mm_line *line = lines->first;
    mm_waiter *waiter;

    while (line != NULL && line->served >= most)
        line = line->next;
    if (line == NULL)
        return NULL;
    waiter = line->first;
    line->first = waiter->next;
    line->waiting--;
    line->served++;
    lines->waiting--;
    unlink_line(lines, line);
    if (line->waiting > 0)
        link_line(lines, line, lines->last, NULL);
    return waiter;
}

void mm_lines_put_back(mm_lines *lines, mm_waiter *waiter)
{
    mm_line *line = waiter->line;

    if (line->waiting > 0)
        unlink_line(lines, line);
    else
        line->last = waiter;
    waiter->next = line->waiting > 0 ? line->first : NULL;
    line->first = waiter;
    line->waiting++;
    line->served--;
    lines->waiting++;
    link_line(lines, line, NULL, lines->first);
}

void mm_lines_end(mm_waiter *waiter)
{
    waiter->line->served--;
}
