/* Cuts reasons of every length around the limit and prints what is left of each, one a line: bytes kept. */
#include <serialnumberd/plugin.h>
#include <string.h>

static const char *const characters[] = {"a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x94\x92"};

int main(void) {
  size_t c, lead;
  for (c = 0; c < 4; c++) {
    for (lead = 0; lead < 4; lead++) {
      char text[2048] = "";
      slnd_decision d;
      while (strlen(text) < lead) strcat(text, "-");
      while (strlen(text) < 1100) strcat(text, characters[c]);
      slnd_decide(&d, SLND_VERDICT_DENY, "%s", text);
      printf("%zu %zu %zu\n", strlen(characters[c]), lead, strlen(d.reason));
    }
  }
  return 0;
}
