/* ---- version of this interface; slnd_version_number() is that of the library that is loaded --------------- */
#define SLND_VERSION_MAJOR 1 /* that of the SONAME: a program runs with the major that it was linked with */
#define SLND_VERSION_MINOR 0 /* grows with every addition */
#define SLND_VERSION_PATCH 0 /* grows with every other release */
/* What slnd_version_number answers if the loaded library is of this version. */
#define SLND_VERSION_NUMBER                                                                        \
  ((uint32_t)SLND_VERSION_MAJOR << 16 | (uint32_t)SLND_VERSION_MINOR << 8 | (uint32_t)SLND_VERSION_PATCH)

/* Before each function; define it for another visibility or calling tool. */
#ifndef SLND_API
#define SLND_API
#endif

/* ---- slnd_config.flags ----------------------------------------------------------------------------------- */
#define SLND_CONFIG_NO_BIND    UINT32_C(0x1) /* bind nothing: the sockets are adopted, slnd_agent_adopt_socket */
#define SLND_CONFIG_NO_PLUGINS UINT32_C(0x2) /* never dlopen; static plugins are welcome */

/* ---- slnd_config.mode, slnd_status_info.mode ------------------------------------------------------------- */
#define SLND_MODE_AUTO    UINT32_C(1) /* connect if an agent answers at the start, else own */
#define SLND_MODE_CONNECT UINT32_C(2) /* a client of the agent that runs on this host: no port, no privilege */
#define SLND_MODE_OWN     UINT32_C(3) /* the whole agent, inside this program */

/* A C text as a slnd_str; NULL stays NULL, and is refused where a text is needed. */
__attribute__((unused)) static slnd_str slnd_text(const char *text) {
  slnd_str str;
  str.ptr = text;
  str.len = text == NULL ? 0 : __builtin_strlen(text);
  return str;
}
