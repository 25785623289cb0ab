/*
 * cmd.h - the subcommands of the one binary; main.c lists them.
 *
 * argv[0] is the subcommand's own name, argv[1 .. argc) its arguments.  Returns the exit code.
 */
#ifndef MM_CMD_H
#define MM_CMD_H

#define MM_EXIT_FINE   0
#define MM_EXIT_FAILED 1
#define MM_EXIT_USAGE  2

int mm_cmd_serve(int argc, char **argv);
int mm_cmd_eval(int argc, char **argv);
int mm_cmd_push(int argc, char **argv);
int mm_cmd_scores(int argc, char **argv);
int mm_cmd_healthcheck(int argc, char **argv);
int mm_cmd_demo(int argc, char **argv);
int mm_cmd_backup(int argc, char **argv);
int mm_cmd_restore(int argc, char **argv);
int mm_cmd_token(int argc, char **argv);
int mm_cmd_bench(int argc, char **argv);

#endif
