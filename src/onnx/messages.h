/* Tables of ONNX's messages: which field goes where in the structs of model.h. The decoder walks them; a message or
 * field that is missing here is skipped as unknown. */
#ifndef PLN_ONNX_MESSAGES_H
#define PLN_ONNX_MESSAGES_H

#include "onnx/model.h"

enum pln_onnx_field_kind {
    PLN_FIELD_I64 = 1,  /* int64_t */
    PLN_FIELD_I32,      /* int32_t */
    PLN_FIELD_F32,      /* float */
    PLN_FIELD_NAME,     /* const char *, a checked and terminated copy */
    PLN_FIELD_BYTES,    /* struct pln_string, a view */
    PLN_FIELD_MESSAGE,  /* pointer to a struct of `child` */
    PLN_FIELD_INLINE,   /* a message whose fields live in the struct of the message around it */
    PLN_FIELD_MARK,     /* only sets bits of `present`; the contents are read later, or never */
    PLN_FIELD_LIST_I64, /* the rest are PLN_ONNX_LIST of the same */
    PLN_FIELD_LIST_F32,
    PLN_FIELD_LIST_NAME,
    PLN_FIELD_LIST_BYTES,
    PLN_FIELD_LIST_MESSAGE,
};

#define PLN_ONNX_MAX_FIELDS 20

struct pln_onnx_message;
struct pln_onnx_field {
    const char *name; /* as errors say it */
    uint32_t number;
    enum pln_onnx_field_kind kind;
    uint32_t offset;                      /* in the struct; not for MARK and INLINE */
    const struct pln_onnx_message *child; /* MESSAGE, LIST_MESSAGE, INLINE */
    uint32_t present;                     /* bits to set in the struct's `present` */
    int32_t one_of;                       /* value for the struct's kind, 0: not part of a oneof */
};

struct pln_onnx_message {
    const char *name;
    const struct pln_onnx_field *fields;
    uint32_t field_count;
    uint32_t size_bytes; /* of the struct */
    /* Offsets in the struct, 0: it has none (no such member is ever first). */
    uint32_t present_offset;
    uint32_t one_of_offset; /* enum member; from it to the end of the struct is cleared when it changes */
    uint32_t spans_offset;  /* list of struct pln_string that gets the encoded message */
    /* Called when the struct is complete; index: its place in a list, else 0. NULL: nothing to do. */
    void (*finish)(void *object, uint32_t index);
};

extern const struct pln_onnx_message pln_onnx_model_message;
extern const struct pln_onnx_message pln_onnx_node_message;
extern const struct pln_onnx_message pln_onnx_tensor_message;
extern const struct pln_onnx_message pln_onnx_sparse_tensor_message;
extern const struct pln_onnx_message pln_onnx_type_message;
extern const struct pln_onnx_message pln_onnx_sequence_message;
extern const struct pln_onnx_message pln_onnx_map_message;
extern const struct pln_onnx_message pln_onnx_optional_message;

#endif
