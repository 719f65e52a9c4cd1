/* Files beside a model that hold tensors (TensorProto.external_data). Each is mapped once, at first use, and stays
 * mapped as long as the model; only files in the model's folder or below it can be reached, or, where the model is a symbolic
 * link, in the folder of what it leads to (so Hugging Face's cache keeps a model and its weights: links to files of another folder). */
#ifndef PLN_ONNX_EXTERNAL_H
#define PLN_ONNX_EXTERNAL_H

#include "base/arena.h"
#include "base/file.h"
#include "base/hash.h"
#include "onnx/model.h"

/* Files of one model; exporters write one a tensor at most. */
#define PLN_ONNX_MAX_EXTERNAL_FILES 65536

struct pln_onnx_externals {
    const char *folder;      /* NULL: there is none, a model from memory */
    const char *home;        /* the folder of the file that the model is a link to, or NULL */
    struct pln_arena *arena; /* for names and the list; outlives this */
    struct pln_map index;    /* location to place in files */
    struct pln_file_map *files;
    size_t count, capacity;
};

void pln_onnx_externals_init(struct pln_onnx_externals *externals, const char *folder, struct pln_arena *arena);
/* Unmaps; views of the files end here. */
void pln_onnx_externals_deinit(struct pln_onnx_externals *externals);

/* Maps the files of all tensors of the model, wherever they stand in it: `files` has them in the order in which the model names them first. Errors:
 * those of pln_onnx_external_find. */
enum pln_status pln_onnx_externals_open(struct pln_onnx_externals *externals, const struct pln_onnx_model *model,
                                        struct pln_diag *diag);

/* The bytes of a tensor with data_location EXTERNAL, as a view. want_bytes: what its type and shape need; a `length`
 * that says otherwise, and a range past the end of the file, are PLN_BAD_MODEL. `checksum` is not compared (it is SHA-1
 * of the whole file, which would have to be read for it). externals NULL is the same as no folder. Other errors:
 * PLN_INVALID_ARGUMENT without a folder, PLN_IO, PLN_NO_MEMORY. */
enum pln_status pln_onnx_external_find(struct pln_onnx_externals *externals, const struct pln_onnx_tensor *tensor,
                                       size_t want_bytes, struct pln_diag *diag, const uint8_t **out_data);

#endif
