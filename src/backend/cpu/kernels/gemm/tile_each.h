/* Rows of a tile, written out for each ISA: of TILE_ROWS rows, 6 or 14. Six have a base register each; of fourteen, three
 * share one, as x86 addresses base, base + 4 stride and base + 8 stride. For inclusion where TILE_ROWS is defined; so there is no guard. */

/* EACH_POINTER: X(pointer, its first row). EACH_ROW: X(row, its pointer, offset from it) */
#if TILE_ROWS == 14
#define EACH_POINTER(X) X(p0, 0) X(p1, 3) X(p2, 6) X(p3, 9) X(p4, 12)
#define EACH_ROW(X)                                                                                                           \
    X(0, p0, 0) X(1, p0, s) X(2, p0, 2 * s) X(3, p1, 0) X(4, p1, s) X(5, p1, 2 * s) X(6, p2, 0) X(7, p2, s) X(8, p2, 2 * s)   \
    X(9, p3, 0) X(10, p3, s) X(11, p3, 2 * s) X(12, p4, 0) X(13, p4, s)
#else
#define EACH_POINTER(X) X(p0, 0) X(p1, 1) X(p2, 2) X(p3, 3) X(p4, 4) X(p5, 5)
#define EACH_ROW(X)     X(0, p0, 0) X(1, p1, 0) X(2, p2, 0) X(3, p3, 0) X(4, p4, 0) X(5, p5, 0)
#endif

/* Sanitizers make a hundred instructions of an access: there one body serves all sizes, as a copy for each took a compiler
 * minutes. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#endif
#ifdef SANITIZED
#define FOR_EACH_SIZE __attribute__((noinline))
#else
#define FOR_EACH_SIZE inline __attribute__((always_inline))
#endif
