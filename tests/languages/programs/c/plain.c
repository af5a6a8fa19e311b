// What programs do in plain C: MODE says which.
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_text(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

int main(void) {
  size_t length = 0, room = 1 << 16, got;
  char *body = malloc(room);
  while (body && (got = fread(body + length, 1, room - length - 1, stdin)) > 0) {
    length += got;
    if (length + 1 == room) body = realloc(body, room *= 2);
  }
  if (!body) {
    fputs("no memory\n", stderr);
    return 1;
  }
  body[length] = 0;
  const char *mode = getenv("MODE");
  if (mode && !strcmp(mode, "upper")) {
    for (size_t at = 0; at < length; at++) body[at] = (char)toupper((unsigned char)body[at]);
    fwrite(body, 1, length, stdout);
    return 0;
  }
  if (mode && !strcmp(mode, "sort")) {
    size_t count = 0;
    char **lines = malloc((length + 1) * sizeof *lines);
    for (char *line = strtok(body, "\n"); line; line = strtok(NULL, "\n")) lines[count++] = line;
    qsort(lines, count, sizeof *lines, by_text);
    for (size_t at = 0; at < count; at++) puts(lines[at]);
    return 0;
  }
  fputs("no such mode\n", stderr);
  return 1;
}
