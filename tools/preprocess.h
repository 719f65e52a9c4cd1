/* From a picture to a tensor, as --preprocess says. */
#ifndef PLANISH_TOOLS_PREPROCESS_H
#define PLANISH_TOOLS_PREPROCESS_H

#include "options.h"
#include "picture.h"
#include "planish/experimental/value.h"

#define PREPROCESS_FORMS "imagenet|unit|signed|raw, or resize=256,crop=224,mean=0.485,0.456,0.406,std=…,order=bgr,layout=nhwc"
#define PREPROCESS_HELP "how pictures become tensors: " PREPROCESS_FORMS
enum { PREPROCESS_TEXT = 400 }; /* bytes that preprocess_print needs */
/* Of a plan's metadata: a specification in the form that preprocess_print writes. */
#define PREPROCESS_KEY "planish.preprocess"

/* value = (pixel / scale - mean) / std, of pixels from 0 to 255. */
struct preprocess {
    int resize[2]; /* height, width; { n, 0 }: the shorter side becomes n; { 0, 0 }: not */
    int crop[2];   /* height, width, from the middle; { 0, 0 }: not */
    double scale, mean[3], std[3]; /* in the order of the channels as written */
    bool bgr, nhwc;
};

/* imagenet: resize=256, crop=224, mean and deviation of that data set; unit: 0 to 1; signed: -1 to 1; raw: 0 to 255. Keys after a preset change it. 0, or 2 after
 * telling what is wrong. */
int preprocess_parse(const struct command *command, const char *text, struct preprocess *out_preprocess);
/* The same as text that can be parsed again, with every key. */
void preprocess_print(const struct preprocess *preprocess, char *text, size_t text_bytes);
/* Makes the value for an input. Where neither resize nor crop are given, the picture is resized to what the input wants. 0 or an exit status after telling. */
int preprocess_apply(const struct command *command, const struct preprocess *preprocess, const char *path, const struct pln_tensor_info *info, pln_host_value **out_value);

#endif
