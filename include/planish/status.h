/* Status codes of Planish.
 *
 * Every function that can fail returns one of these by value; 0 is success. The text behind a code (node, tensor, shapes,
 * bytes, remedy) is in the pln_diagnostics that the caller passes, or in those of the context (pln_context_diagnostics). A code
 * says who can mend the matter; when two fit, choose the more specific one. */
#ifndef PLANISH_STATUS_H
#define PLANISH_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define PLN_MUST_USE __attribute__((warn_unused_result))
#else
#define PLN_MUST_USE
#endif

/* Marks every function of the public headers, and nothing else: exported from the shared libraries under the symbol
 * version PLANISH_0. The version script is made from these marks. */
#if defined(__GNUC__)
#define PLN_API __attribute__((visibility("default")))
#else
#define PLN_API
#endif

/* One line a code: name, value (frozen), text. Later versions may add codes; take one that you do not know for an error. */
#define PLN_STATUS_LIST(X)                                                                         \
    X(PLN_OK, 0, "ok")                                                                             \
    X(PLN_INVALID_ARGUMENT, 1, "invalid argument") /* the caller's: a shape, a name, a NULL */     \
    X(PLN_BAD_MODEL, 2, "bad model")               /* the ONNX file breaks a rule of ONNX */       \
    X(PLN_BAD_PLAN, 3, "bad plan")                 /* a plan or cache file is damaged or forged */ \
    X(PLN_UNSUPPORTED, 4, "unsupported")           /* valid, but not built yet */                  \
    X(PLN_INCOMPATIBLE, 5, "incompatible")         /* made for another version or machine */       \
    X(PLN_NO_MEMORY, 6, "out of memory")           /* an allocation or a limit of memory */        \
    X(PLN_IO, 7, "input/output error")             /* the file system said no */                   \
    X(PLN_DEVICE, 8, "device error")               /* a device is missing or failed */             \
    X(PLN_NOT_FOUND, 9, "not found")               /* no such name */                              \
    X(PLN_CANCELLED, 10, "cancelled")              /* pln_context_cancel, a callback, or a time limit said stop */ \
    X(PLN_INTERNAL, 11, "internal error")          /* our bug; please report it */

enum pln_status {
#define X(name, value, text) name = value,
    PLN_STATUS_LIST(X)
#undef X
};

/* Text of a code, static, never NULL: "out of memory". */
PLN_API const char *pln_status_text(enum pln_status status);

#ifdef __cplusplus
}
#endif
#endif
