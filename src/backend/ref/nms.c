/* NonMaxSuppression. */
#include "backend/ref/elems.h"
#include "tensor/convert.h"

/* A box by its corners. */
struct box {
    float x0, y0, x1, y1;
};

struct nms {
    const float *boxes, *scores;
    int64_t batches, classes, n, limit;
    float iou, score;
    bool has_score, centered;
};

static struct box read_box(const struct nms *s, const float *b)
{
    if (s->centered) return (struct box){ b[0] - b[2] / 2, b[1] - b[3] / 2, b[0] + b[2] / 2, b[1] + b[3] / 2 };
    return (struct box){ PLN_MIN(b[1], b[3]), PLN_MIN(b[0], b[2]), PLN_MAX(b[1], b[3]), PLN_MAX(b[0], b[2]) };
}

static bool overlaps(struct box a, struct box b, float threshold)
{
    float width = PLN_MIN(a.x1, b.x1) - PLN_MAX(a.x0, b.x0), height = PLN_MIN(a.y1, b.y1) - PLN_MAX(a.y0, b.y0);
    if (!(width > 0 && height > 0)) return false;
    float both = width * height, area_a = (a.x1 - a.x0) * (a.y1 - a.y0), area_b = (b.x1 - b.x0) * (b.y1 - b.y0);
    float either = area_a + area_b - both;
    return both > 0 && area_a > 0 && area_b > 0 && either > 0 && both / either > threshold;
}

/* Numbers in the order of boxes: best score first, NaN last, of equal ones the first. */
static uint64_t order_key(float score, int64_t box)
{
    uint32_t bits;
    const float value = score == 0 ? 0.0f : score; /* no minus zero */
    memcpy(&bits, &value, sizeof bits);
    const uint32_t rising = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
    return (uint64_t)(score != score ? UINT32_MAX : ~rising) << 32 | (uint32_t)box;
}

/* Merges runs, longer each time, to and fro between keys and room. Returns which holds them in the end. */
static uint64_t *sort_keys(uint64_t *keys, uint64_t *room, int64_t n)
{
    for (int64_t run = 1; run < n; run *= 2) {
        for (int64_t at = 0; at < n; at += 2 * run) {
            const int64_t middle = PLN_MIN(at + run, n), end = PLN_MIN(at + 2 * run, n);
            int64_t a = at, b = middle;
            for (int64_t i = at; i < end; i++) room[i] = b == end || (a < middle && keys[a] < keys[b]) ? keys[a++] : keys[b++];
        }
        uint64_t *kept = keys;
        keys = room;
        room = kept;
    }
    return keys;
}

/* The boxes kept of one class of one image, into kept; their number comes back. room: for two keys a box. */
static int64_t suppress(const struct nms *s, const float *boxes, const float *scores, uint64_t *room, struct box *kept_boxes, int64_t *kept)
{
    int64_t n = 0, found = 0;
    for (int64_t i = 0; i < s->n; i++) {
        room[n] = order_key(scores[i], i);
        n += !s->has_score || scores[i] > s->score;
    }
    const uint64_t *order = sort_keys(room, room + s->n, n);
    for (int64_t i = 0; i < n && found < s->limit; i++) {
        const int64_t number = (int64_t)(order[i] & UINT32_MAX);
        struct box box = read_box(s, &boxes[4 * number]);
        bool keep = true;
        for (int64_t k = 0; keep && k < found; k++) keep = !overlaps(box, kept_boxes[k], s->iou);
        if (!keep) continue;
        kept_boxes[found] = box;
        kept[found++] = number;
    }
    return found;
}

static enum pln_status read_scalar(struct pln_call *call, int i, double fallback, double *out_value)
{
    const struct pln_tensor *tensor = pln_call_in(call, i);
    *out_value = fallback;
    if (!tensor || pln_tensor_count(tensor) == 0) return PLN_OK;
    if (pln_tensor_count(tensor) != 1 || tensor->dtype == PLN_STR) return pln_call_fail(call, PLN_BAD_MODEL, "input %d is no scalar", i);
    *out_value = pln_load_f64(tensor->dtype, tensor->data, 0);
    return PLN_OK;
}

static enum pln_status read_nms(struct pln_call *call, struct nms *s)
{
    const struct pln_tensor *boxes, *scores;
    double limit, iou, score;
    PLN_TRY(pln_call_need(call, 0, &boxes));
    PLN_TRY(pln_call_need(call, 1, &scores));
    if (boxes->dtype != PLN_F32 || scores->dtype != PLN_F32 || boxes->rank != 3 || scores->rank != 3 || boxes->dims[2] != 4 ||
        boxes->dims[0] != scores->dims[0] || boxes->dims[1] != scores->dims[2]) {
        return pln_call_fail(call, PLN_BAD_MODEL, "boxes must be f32[b,n,4] and scores f32[b,classes,n]");
    }
    PLN_TRY(read_scalar(call, 2, 0, &limit));
    PLN_TRY(read_scalar(call, 3, 0, &iou));
    PLN_TRY(read_scalar(call, 4, 0, &score));
    *s = (struct nms){ .boxes = boxes->data, .scores = scores->data, .batches = boxes->dims[0], .classes = scores->dims[1], .n = boxes->dims[1] };
    s->limit = limit > 0 ? (limit < (double)s->n ? (int64_t)limit : s->n) : 0;
    s->iou = (float)iou;
    s->score = (float)score;
    s->has_score = pln_call_in(call, 4) && pln_tensor_count(pln_call_in(call, 4)) == 1;
    s->centered = pln_attrs_int(call->attrs, "center_point_box", 0) != 0;
    return PLN_OK;
}

enum pln_status pln_ref_non_max_suppression(struct pln_call *call)
{
    struct nms s = { .n = 0 };
    struct pln_tensor out;
    void *order, *boxes, *kept;
    int64_t rows = 0, n, most;
    PLN_TRY(read_nms(call, &s));
    if (!pln_mul_i64(s.batches, s.classes, &most) || !pln_mul_i64(most, s.limit, &most)) return pln_call_fail(call, PLN_BAD_MODEL, "too many boxes");
    if (s.n > UINT32_MAX) return pln_call_fail(call, PLN_BAD_MODEL, "too many boxes");
    PLN_TRY(pln_call_scratch(call, (size_t)s.n, 2 * sizeof(uint64_t), &order));
    PLN_TRY(pln_call_scratch(call, (size_t)s.limit, sizeof(struct box), &boxes));
    PLN_TRY(pln_call_scratch(call, (size_t)most, 3 * sizeof(int64_t), &kept));
    int64_t *triples = kept, *column = (int64_t *)kept + 2 * most;
    for (int64_t b = 0; most > 0 && b < s.batches; b++) {
        for (int64_t c = 0; c < s.classes; c++) {
            n = suppress(&s, s.boxes + b * s.n * 4, s.scores + (b * s.classes + c) * s.n, order, boxes, column);
            for (int64_t i = 0; i < n; i++) {
                int64_t box = column[i];
                triples[2 * (rows + i)] = b * s.classes + c;
                triples[2 * (rows + i) + 1] = box;
            }
            rows += n;
        }
    }
    int64_t dims[2] = { rows, 3 };
    PLN_TRY(pln_call_out(call, 0, PLN_I64, 2, dims, &out));
    int64_t *to = out.data;
    for (int64_t i = 0; i < rows; i++) {
        to[3 * i] = triples[2 * i] / s.classes;
        to[3 * i + 1] = triples[2 * i] % s.classes;
        to[3 * i + 2] = triples[2 * i + 1];
    }
    return PLN_OK;
}
