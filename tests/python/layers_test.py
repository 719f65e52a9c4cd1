"""Layers at their edges: bounds, padding, groups, mixed types, numbers that cannot be meant, loops that end early. References are numpy."""
import itertools
import unittest

import numpy as np

import planish
import planish.tensorrt as trt
from network_test import close, draw, first, new, outputs
from planish.tensorrt.base import until

SUM, LESS = trt.ElementWiseOperation.SUM, trt.ElementWiseOperation.LESS


def constant(network, value, dtype=np.float32):
    return first(network.add_constant(np.shape(value), np.array(value, dtype)))


def says(test, text, make, arrays, dynamic=()):
    """The build or the run fails, with this text."""
    with test.assertRaisesRegex((planish.Error, AssertionError), text):
        outputs(make, arrays, dynamic)


def of_generation(number, make, arrays):
    trt.set_generation(number)
    try:
        return outputs(make, arrays)
    finally:
        trt.set_generation(8)


def windows(extents, window, strides, before, after, up):
    """Where windows begin, one list a dim, by the documented formula."""
    return [[o * s - b for o in range((-(-(d + b + a - k) // s) if up else (d + b + a - k) // s) + 1)] for d, k, s, b, a in zip(extents, window, strides, before, after)]


def pooled(x, kind, window, strides, before, after, up, excludes):
    starts = windows(x.shape[2:], window, strides, before, after, up)
    y = np.zeros(x.shape[:2] + tuple(map(len, starts)), np.float32)
    for at in itertools.product(*(range(len(s)) for s in starts)):
        begin = [s[i] for s, i in zip(starts, at)]
        w = x[(slice(None), slice(None), *(slice(max(b, 0), max(b + k, 0)) for b, k in zip(begin, window)))].reshape(*x.shape[:2], -1)
        counted = w.shape[2] if excludes else np.prod([min(b + k, d + a) - b for b, k, d, a in zip(begin, window, x.shape[2:], after)])
        y[(slice(None), slice(None), *at)] = w.max(2, initial=-np.inf) if kind == trt.PoolingType.MAX else w.sum(2) / max(counted, 1)
    return y


def convolved(x, w, strides, dilation, before, after, up):
    reach = [(k - 1) * d + 1 for k, d in zip(w.shape[2:], dilation)]
    starts = windows(x.shape[2:], reach, strides, before, after, up)
    x = np.pad(x, [(0, 0), (0, 0), *((b, a + s) for b, a, s in zip(before, after, strides))])
    y = np.zeros((x.shape[0], w.shape[0], *map(len, starts)), np.float32)
    for at in itertools.product(*(range(len(s)) for s in starts)):
        for tap in itertools.product(*map(range, w.shape[2:])):
            there = tuple(s[i] + b + t * d for s, i, b, t, d in zip(starts, at, before, tap, dilation))
            y[(slice(None), slice(None), *at)] += x[(slice(None), slice(None), *there)] @ w[(slice(None), slice(None), *tap)].T
    return y


def spread(x, w, strides, dilation, before, after):
    """A transposed convolution of which before and after are cut off."""
    full = np.zeros((x.shape[0], w.shape[1], *((d - 1) * s + (k - 1) * e + 1 for d, s, k, e in zip(x.shape[2:], strides, w.shape[2:], dilation))), np.float32)
    for at in itertools.product(*map(range, x.shape[2:])):
        for tap in itertools.product(*map(range, w.shape[2:])):
            there = tuple(i * s + t * e for i, s, t, e in zip(at, strides, tap, dilation))
            full[(slice(None), slice(None), *there)] += x[(slice(None), slice(None), *at)] @ w[(slice(None), slice(None), *tap)]
    return full[(slice(None), slice(None), *(slice(b, d - a) for b, a, d in zip(before, after, full.shape[2:])))]


class Slices(unittest.TestCase):
    def cut(self, x, start, shape, stride, tensors="", dynamic=False, mode=trt.SampleMode.STRICT_BOUNDS):
        """tensors: which of start, shape and stride are inputs; None: the run or the build says what is wrong."""
        given = {name: np.array(value, np.int32) for name, value in (("start", start), ("shape", shape), ("stride", stride)) if name in tensors}

        def make(network, t, *rest):
            layer = network.add_slice(t, start, shape, stride)
            layer.mode = mode
            for name, tensor in zip(given, rest):
                layer.set_input(("", "start", "shape", "stride").index(name), tensor)
            return first(layer)

        try:
            return outputs(make, {"x": x, **given}, {("x", d) for d in range(x.ndim)} if dynamic else ())
        except (planish.Error, AssertionError):
            return None

    def test_bounds(self):
        """Each element is the one that is asked for; one outside is an error, wherever start, shape and stride come from."""
        x = np.arange(6, dtype=np.float32)
        inside = [(0, 6, 1), (5, 6, -1), (3, 4, -1), (1, 2, 3), (5, 3, -2), (5, 1, 1), (2, 3, 0), (0, 0, 1), (0, 0, -1)]
        outside = [(-2, 2, 1), (-1, 1, 1), (5, 2, 1), (4, 2, 2), (6, 1, 1), (0, 2, -1), (6, 2, -2), (7, 4, -2), (-3, 2, 1), (2, 4, -1), (6, 2, 0), (0, 7, 1)]
        for tensors, dynamic in (("", False), ("", True), ("start", False), ("shape", True), ("start shape", True), ("stride", False), ("start shape stride", True)):
            for start, shape, stride in inside:
                got = self.cut(x, (start,), (shape,), (stride,), tensors, dynamic)
                np.testing.assert_array_equal(got, [start + i * stride for i in range(shape)], f"{start, shape, stride} {tensors}")
            for start, shape, stride in outside:
                self.assertIsNone(self.cut(x, (start,), (shape,), (stride,), tensors, dynamic), f"{start, shape, stride} {tensors}")

    def test_dims(self):
        x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
        for tensors in ("", "start", "shape", "start shape", "start shape stride"):
            np.testing.assert_array_equal(self.cut(x, (1, 2, 0), (2, 2, 2), (-1, -1, 3), tensors, True), x[::-1, 2:0:-1, ::3])
            np.testing.assert_array_equal(self.cut(x, (0, 1, 1), (2, 2, 3), (1, 1, 1), tensors), x[:, 1:, 1:])
            self.assertEqual(self.cut(x, (0, 1, 1), (2, 0, 3), (1, 1, 1), tensors).shape, (2, 0, 3))
            self.assertIsNone(self.cut(x, (0, 2, 1), (2, 2, 3), (1, 1, 1), tensors))

    def test_numbers(self):
        x = draw(4)
        for start, shape, stride in (((1,), (1,), (1 << 31,)), ((1 << 62,), (1,), (1,)), ((0,), (1 << 40,), (0,))):
            says(self, "numbers below", lambda n, t: first(n.add_slice(t, start, shape, stride)), {"x": x})
        says(self, "beyond numbers of 64 bits", lambda n, t: first(n.add_slice(t, (0,), (1 << 39,), (1 << 30,))), {"x": x})

    def test_extents_are_known(self):
        _, network = new()
        x, at = network.add_input("x", trt.float32, (-1, 8)), network.add_input("at", trt.int32, (2,))
        layer = network.add_slice(x, (0, 0), (1, 3), (1, 2))
        layer.set_input(1, at)
        self.assertEqual(tuple(first(layer).shape), (1, 3))

    def test_axes(self):
        x = draw(2, 6, 3)

        def make(axes, of_input=False):
            def made(network, t, *rest):
                layer = network.add_slice(t, (4, 1), (2, 2), (-3, 1))
                self.assertEqual(tuple(layer.axes), (0, 1, 2))
                layer.set_input(5, rest[0] if of_input else constant(network, axes, np.int32))
                return first(layer)

            return made

        close(outputs(make((1, 2)), {"x": x}), x[:, 4::-3, 1:])
        close(outputs(make((-2, -1)), {"x": x}), x[:, 4::-3, 1:])
        says(self, "add_constant", make(None, True), {"x": x, "a": np.array([1, 2], np.int32)})
        says(self, "each dim once", make((1, -2)), {"x": x})
        says(self, "one of axes is 3", make((1, 3)), {"x": x})

    def test_modes(self):
        x = np.arange(4, dtype=np.float32)
        at = np.array([-5, -2, 1, 4, 7, 10])
        reflected = np.abs(at) % 6
        wanted = {"WRAP": at % 4, "CLAMP": np.clip(at, 0, 3), "FILL": np.where((at >= 0) & (at < 4), at, 0), "REFLECT": np.where(reflected >= 4, 6 - reflected, reflected)}
        for mode, want in wanted.items():
            for tensors in ("", "start shape stride"):
                np.testing.assert_array_equal(self.cut(x, (-5,), (6,), (3,), tensors, True, trt.SampleMode[mode]), want, mode)


class Windows(unittest.TestCase):
    def test_what_is_set_last_stands(self):
        _, network = new()
        x = network.add_input("x", trt.float32, (1, 2, 8, 8))
        w = draw(2, 2, 3, 3)
        for layer in (network.add_convolution_nd(x, 2, (3, 3), w), network.add_deconvolution_nd(x, 2, (3, 3), w), network.add_pooling_nd(x, trt.PoolingType.MAX, (3, 3))):
            self.assertEqual((layer.stride_nd, layer.padding_nd, layer.pre_padding, layer.post_padding, layer.stride, layer.padding), ((1, 1), (0, 0), (0, 0), (0, 0), (1, 1), (0, 0)))
            layer.pre_padding, layer.post_padding = (1, 0), (0, 1)
            self.assertEqual(layer.padding_nd, (1, 0))
            layer.padding_nd = (1, 2)
            self.assertEqual((layer.pre_padding, layer.post_padding, layer.padding), ((1, 2), (1, 2), (1, 2)))
            layer.post_padding = (0, 0)
            self.assertEqual((layer.padding_nd, layer.pre_padding, layer.post_padding), ((1, 2), (1, 2), (0, 0)))
        self.assertEqual(network.add_convolution_nd(x, 2, (3, 3), draw(2, 2, 3, 3)).dilation_nd, (1, 1))

    def test_pooling(self):
        """All sizes and means, also where windows begin behind the input."""
        for kind, up, dynamic in itertools.product((trt.PoolingType.MAX, trt.PoolingType.AVERAGE), (False, True), (False, True)):
            for extents, window, strides, before, after in (((7, 7), (2, 2), (2, 2), (1, 1), (1, 1)), ((7, 8), (3, 2), (2, 3), (1, 1), (0, 1)), ((5,), (3,), (3,), (0,), (2,)), ((6,), (2,), (4,), (1,), (1,))):
                for excludes in (True, False) if kind == trt.PoolingType.AVERAGE else (True,):
                    x = draw(2, 3, *extents)

                    def make(network, t):
                        layer = network.add_pooling_nd(t, kind, window)
                        layer.stride_nd, layer.pre_padding, layer.post_padding, layer.average_count_excludes_padding = strides, before, after, excludes
                        layer.padding_mode = trt.PaddingMode.EXPLICIT_ROUND_UP if up else trt.PaddingMode.EXPLICIT_ROUND_DOWN
                        return first(layer)

                    got = outputs(make, {"x": x}, {("x", d + 2) for d in range(len(extents))} if dynamic else ())
                    close(got, pooled(x, kind, window, strides, before, after, up, excludes))

    def test_pooling_of_other_ranks(self):
        x = draw(2, 3, 4, 6)
        for shape in ((2, 4, 6), (2, 3, 2, 4, 6)):
            image = draw(*shape)
            got = outputs(lambda n, t: first(n.add_pooling_nd(t, trt.PoolingType.MAX, (2, 2))), {"x": image}, {("x", 0)})
            close(got, pooled(image.reshape(1, -1, 4, 6), trt.PoolingType.MAX, (2, 2), (1, 1), (0, 0), (0, 0), False, True).reshape(*shape[:-2], 3, 5))
        says(self, "one more at least", lambda n, t: first(n.add_pooling_nd(t, trt.PoolingType.MAX, (1,) * 4)), {"x": x})

    def test_convolution(self):
        for up, dynamic in itertools.product((False, True), (False, True)):
            for extents, window, strides, dilation, before, after in (((8, 7), (3, 2), (2, 3), (1, 2), (0, 1), (1, 0)), ((9,), (3,), (4,), (2,), (1,), (0,)),
                                                                      ((6, 6), (3, 3), (2, 2), (1, 1), (0, 0), (0, 0))):  # fmt: skip
                x, w = draw(2, 3, *extents), draw(4, 3, *window)

                def make(network, t):
                    layer = network.add_convolution_nd(t, 4, window, w)
                    layer.stride_nd, layer.dilation_nd, layer.pre_padding, layer.post_padding = strides, dilation, before, after
                    layer.padding_mode = trt.PaddingMode.EXPLICIT_ROUND_UP if up else trt.PaddingMode.EXPLICIT_ROUND_DOWN
                    return first(layer)

                got = outputs(make, {"x": x}, {("x", d + 2) for d in range(len(extents))} if dynamic else ())
                close(got, convolved(x, w, strides, dilation, before, after, up), 1e-4)

    def test_deconvolution(self):
        for mode in trt.PaddingMode:
            for window, strides, dilation in (((3, 2), (2, 2), (1, 1)), ((4, 3), (1, 2), (2, 1)), ((1, 2), (3, 3), (1, 1))):
                x, w = draw(2, 3, 4, 3), draw(3, 2, *window)
                cut = [max((k - 1) * d + 1 - s, 0) for k, s, d in zip(window, strides, dilation)]
                less, more = [c // 2 for c in cut], [c - c // 2 for c in cut]
                before, after = {"SAME_UPPER": (less, more), "SAME_LOWER": (more, less)}.get(mode.name, ((0, 1), (0, 0)))

                def make(network, t):
                    layer = network.add_deconvolution_nd(t, 2, window, w)
                    layer.stride_nd, layer.dilation_nd, layer.padding_mode = strides, dilation, mode
                    if not mode.name.startswith("SAME"):
                        layer.pre_padding, layer.post_padding = before, after
                    return first(layer)

                close(outputs(make, {"x": x}, {("x", 2)}), spread(x, w, strides, dilation, before, after), 1e-4)

    def test_mistakes(self):
        x, w = draw(1, 4, 8, 8), draw(4, 2, 3, 3)

        def odd(**told):
            def make(network, t):
                layer = network.add_deconvolution_nd(t, 4, (3, 3), w)
                for name, value in told.items():
                    setattr(layer, name, value)
                return first(layer)

            return make

        says(self, "do not make 3 groups", odd(num_groups=3), {"x": x})
        says(self, "negative padding", odd(pre_padding=(-1, 0)), {"x": x})
        says(self, "stride_nd has 3 extents", odd(stride_nd=(1, 1, 1)), {"x": x})
        says(self, "dilation_nd has 1 extents", odd(dilation_nd=(1,)), {"x": x})


class Parameters(unittest.TestCase):
    def test_defaults(self):
        """What was not set reads as what it means."""
        _, network = new()
        x = network.add_input("x", trt.float32, (1, 4, 8, 8))
        scale = constant(network, 0.1)
        self.assertEqual((network.add_softmax(x).axes, network.add_concatenation([x, x]).axis), (1 << 1, 1))
        shuffle = network.add_shuffle(x)
        self.assertEqual((shuffle.first_transpose, shuffle.reshape_dims, shuffle.second_transpose, shuffle.zero_is_placeholder), ((0, 1, 2, 3), (), (0, 1, 2, 3), True))
        self.assertEqual(network.add_slice(x, (0,) * 4, (1,) * 4, (1,) * 4).axes, (0, 1, 2, 3))
        resize = network.add_resize(x)
        self.assertEqual((resize.shape, resize.scales, resize.cubic_coeff), ((), [], -0.75))
        self.assertEqual([network.add_non_zero(x).indices_type, network.add_topk(x, trt.TopKOperation.MAX, 1, 1).indices_type], [trt.int32] * 2)
        quantize, dequantize = network.add_quantize(x, scale), network.add_dequantize(x, scale)
        self.assertEqual((quantize.axis, quantize.to_type, quantize.block_shape, dequantize.to_type), (-1, trt.int8, (), trt.float32))
        conv, full, scaled = network.add_convolution_nd(x, 4, (3, 3), None), network.add_fully_connected(x, 2, None), network.add_scale(x, trt.ScaleMode.UNIFORM)
        self.assertEqual([w.size for w in (conv.kernel, conv.bias, full.kernel, full.bias, scaled.scale, scaled.shift, scaled.power)], [0] * 7)
        self.assertEqual((conv.num_groups, conv.padding_mode), (1, trt.PaddingMode.EXPLICIT_ROUND_DOWN))

    def test_weights_are_arrays(self):
        _, network = new()
        x, w = network.add_input("x", trt.float32, (1, 3, 8, 8)), draw(4, 3, 3, 3)
        layer = network.add_convolution_nd(x, 4, (3, 3), w)
        self.assertEqual((layer.kernel.shape, layer.kernel.ndim, layer.bias.shape), ((4, 3, 3, 3), 4, (0,)))
        np.testing.assert_array_equal(np.asarray(layer.kernel), w)
        np.testing.assert_array_equal(layer.kernel.reshape(4, -1)[1], w[1].ravel())
        np.testing.assert_array_equal(layer.kernel[2, 0], w[2, 0])
        np.testing.assert_array_equal(np.abs(layer.kernel) + 2 * layer.kernel - w, np.abs(w) + 2 * w - w)
        np.testing.assert_array_equal(np.array(layer.kernel, np.float64), w.astype(np.float64))
        layer.kernel = layer.kernel * 2
        np.testing.assert_array_equal(layer.kernel.numpy(), w * 2)
        layer.kernel *= 2
        np.testing.assert_array_equal(layer.kernel, w * 4)
        constant_layer = network.add_constant((3,), np.arange(3, dtype=np.int32))
        self.assertEqual((list(constant_layer.weights), int(constant_layer.weights.sum()), constant_layer.weights.dtype), ([0, 1, 2], 3, trt.int32))
        with self.assertRaises(AttributeError):
            layer.kernel.shapes
        weights = trt.Weights(w)
        self.assertTrue(weights in {weights} and network.set_weights_name(weights, "named"))
        named = network.add_convolution_nd(x, 4, (3, 3), weights)
        self.assertEqual(network.weight_roles()[named.name], {"KERNEL": "named"})

    def test_numbers_that_do_not_fit(self):
        """Errors that name the layer and the parameter, not numbers cut to what fits."""
        _, network = new()
        x = network.add_input("x", trt.float32, (1, 4, 8, 8))
        conv = network.add_convolution_nd(x, 4, (3, 3), draw(4, 4, 3, 3))
        lrn, topk, scale = network.add_lrn(x, 3, 0.1, 0.2, 1), network.add_topk(x, trt.TopKOperation.MAX, 1, 2), network.add_scale_nd(x, trt.ScaleMode.UNIFORM)
        reduce, cut, fill = network.add_reduce(x, trt.ReduceOperation.SUM, 1, False), network.add_slice(x, (0,) * 4, (1,) * 4, (1,) * 4), network.add_fill((2,), trt.FillOperation.LINSPACE)
        bad = [
            (conv, "num_groups", (2**64, 2**31, -1, 0, 1.5, "2")), (conv, "stride_nd", ((2**64, 1), (0, 1), (-1, 1), 2, "12", (1.5, 1))), (conv, "dilation_nd", ((0, 1), (2**31, 1))),
            (conv, "padding_nd", ((2**64, 1), 3)), (conv, "kernel_size_nd", ((0, 3),)), (conv, "num_output_maps", (2**64, -4, 0)), (conv, "padding_mode", (trt.PoolingType.AVERAGE, 9, "SAME_UPPER")),
            (conv, "kernel", (np.zeros(3), "w")), (lrn, "alpha", (float("nan"), 1e300, "1")), (lrn, "window_size", (2**64, 0)), (topk, "k", (2**64, 1.5, float("inf"))), (topk, "axes", (2**64,)),
            (topk, "indices_type", (np.int32, trt.PoolingType.MAX)), (scale, "channel_axis", (2**64, "0")), (reduce, "axes", (1 << 64, 0.5)), (reduce, "op", (trt.ElementWiseOperation.SUM, 77)),
            (reduce, "keep_dims", ("yes", 7, trt.int8)), (cut, "start", ((2**64,) * 4, 1)), (cut, "mode", (trt.ScatterMode.ND,)), (fill, "shape", ((2**64,),)), (fill, "alpha", (float("nan"), 2**64)),
        ]  # fmt: skip
        for layer, name, values in bad:
            before = np.asarray(getattr(layer, name)).tolist()
            for value in values:
                with self.assertRaisesRegex(planish.InvalidArgument, name if name != "padding_nd" else "padding", msg=f"{name} {value}") as raised:
                    setattr(layer, name, value)
                self.assertIn(layer.name, str(raised.exception))
            self.assertEqual(np.asarray(getattr(layer, name)).tolist(), before)
        conv.num_groups, conv.stride_nd, topk.k, lrn.alpha, reduce.keep_dims = np.int64(2), np.array([2, 1]), np.int32(3), np.float32(0.5), np.True_
        self.assertEqual((conv.num_groups, conv.stride_nd, topk.k, lrn.alpha, reduce.keep_dims, type(topk.k)), (2, (2, 1), 3, 0.5, True, int))
        with self.assertRaises(planish.InvalidArgument):
            network.add_topk(x, trt.TopKOperation.MAX, 2**64, 2)
        self.assertEqual(network.num_layers, 7)

    def test_axes_that_are_not_there(self):
        x, i = draw(2, 3), np.array([0, 1], np.int32)

        def told(add, **values):
            def make(network, *tensors):
                layer = add(network, *tensors)
                for name, value in values.items():
                    setattr(layer, name, value)
                return first(layer)

            return make

        one, two = {"x": x}, {"x": x, "i": i}
        for make, arrays in ((told(lambda n, t: n.add_softmax(t), axes=1 << 2), one), (told(lambda n, t: n.add_softmax(t), axes=1 << 40), one),
                             (told(lambda n, t: n.add_concatenation([t, t]), axis=2), one),
                             (told(lambda n, t, j: n.add_gather(t, j, 2)), two), (told(lambda n, t: n.add_topk(t, trt.TopKOperation.MAX, 1, 1 << 3)), one),
                             (told(lambda n, t, j: n.add_one_hot(j, constant(n, [0, 1]), constant(n, 3, np.int32), 2)), two),
                             (told(lambda n, t, j: n.add_reverse_sequence(t, j), batch_axis=2), two), (told(lambda n, t: n.add_scale_nd(t, trt.ScaleMode.CHANNEL, scale=draw(3)), channel_axis=2), one),
                             (told(lambda n, t: n.add_quantize(t, constant(n, [0.1, 0.2])), axis=2), one)):  # fmt: skip
            says(self, "axis is|for an input of", make, arrays)
        says(self, "layer.axis says", told(lambda n, t: n.add_quantize(t, constant(n, [0.1, 0.2]))), one)
        says(self, "3 elements, for 1 channels", told(lambda n, t: n.add_scale_nd(t, trt.ScaleMode.CHANNEL, scale=draw(3))), {"x": draw(2, 1)})
        says(self, "no order of 2 dims", told(lambda n, t: n.add_shuffle(t), first_transpose=(0, 0)), one)
        says(self, "both 0", told(lambda n, t, j: n.add_reverse_sequence(t, j), batch_axis=0), two)
        says(self, "3 and|2, 1 dims", told(lambda n, t, j: n.add_concatenation([t, first(n.add_cast(j, trt.float32))])), two)

    def test_ranks(self):
        """Inputs that would widen what they stand beside, and those that lack dims."""
        x, f = draw(3), draw(2, 3)

        def fill(network, *inputs):
            layer = network.add_fill((2, 3), trt.FillOperation.LINSPACE)
            for i, tensor in enumerate(inputs):
                layer.set_input(i, tensor)
            return first(layer)

        def of_fill(network, t, u):
            layer = network.add_slice(t, (0,), (5,), (1,))
            layer.mode = trt.SampleMode.FILL
            layer.set_input(4, u)
            return first(layer)

        both, one = {"x": x, "f": f}, {"x": x}
        says(self, "slopes have 2 dims", lambda n, t, u: first(n.add_parametric_relu(t, u)), both)
        says(self, "bounds have 2", lambda n, t, u: first(n.add_ragged_softmax(t, u)), both)
        says(self, "floats of it", lambda n, t: first(n.add_ragged_softmax(t, constant(n, [1], np.int32))), {"i": np.array([1, 2], np.int32)})
        says(self, "axes are i32", lambda n, t: first(n.add_squeeze(t, constant(n, [0, 1], np.int32))), one)
        says(self, "axes are f32", lambda n, t: first(n.add_unsqueeze(t, constant(n, [0]))), one)
        says(self, "", of_fill, both)
        says(self, "no dim|rank 0", lambda n, t: first(n.add_gather_v2(t, constant(n, 0, np.int32), trt.GatherMode.ND)), one)
        says(self, "", lambda n, t: first(n.add_einsum([t], "i->...j")), one)
        says(self, "one number a dim, 2", lambda n: fill(n, constant(n, [2, 3], np.int32), constant(n, 1), constant(n, [1, 2, 3])), {})
        says(self, "not with BOOL", lambda n: fill(n, constant(n, [2, 3], np.int32), constant(n, True, bool)), {})

    def test_what_stands_behind(self):
        """Extents and steps that are added behind the layer that takes them."""
        x = draw(2, 6)

        def make(network, t):
            shuffle, fill = network.add_shuffle(t), network.add_fill((1, 1), trt.FillOperation.LINSPACE)
            shuffle.second_transpose = (1, 0)
            shape, two = first(network.add_shape(t)), constant(network, [4, 3], np.int32)
            shuffle.set_input(1, two)
            fill.set_input(0, shape)
            fill.set_input(1, constant(network, 0))
            fill.set_input(2, constant(network, [10, 1]))
            return [first(shuffle), first(fill)]

        got = outputs(make, {"x": x}, {("x", 0)})
        close(got[0], x.reshape(4, 3).T)
        close(got[1], np.arange(2)[:, None] * 10 + np.arange(6))

    def test_attributes_that_went(self):
        """One thing's attribute is not all things' attribute."""

        class Old:
            kept = 1

        until(Old, 8, "kept", "use another")
        a, b = Old(), Old()
        a.kept = 5
        self.assertEqual((a.kept, b.kept, Old().kept), (5, 1, 1))

    def test_volume(self):
        self.assertEqual([trt.volume(s) for s in ((), (2, 3), (4, 0), (-1, 2), iter([2, 5]))], [1, 6, 0, -2, 10])

    def test_tensors_of_another_network(self):
        builder, network = new()
        _, other = new()
        network.name, other.name = "mine", "theirs"
        x, y = network.add_input("x", trt.float32, (2,)), other.add_input("x", trt.float32, (2,))
        with self.assertRaises(TypeError):
            network.mark_output(None)
        for use in (lambda: network.add_unary(y, trt.UnaryOperation.NEG), lambda: network.add_concatenation([x, y]), lambda: network.mark_output(y), lambda: network.add_loop().add_recurrence(y),
                    lambda: network.add_if_conditional().add_input(y), lambda: network.add_attention(x, x, y, trt.AttentionNormalizationOp.SOFTMAX, False)):  # fmt: skip
            with self.assertRaisesRegex(planish.InvalidArgument, "'x' is a tensor of network 'theirs'.*'mine'"):
                use()
        self.assertEqual((network.num_layers, network.num_outputs), (0, 0))


class Types(unittest.TestCase):
    def test_mixed_integers(self):
        """INT32 and INT64, as shapes and constants meet in generation 8, are INT64."""
        x, wide = draw(2, 3), np.array([7, 8], np.int64)

        def mixed(network, t):
            shape = first(network.add_shape(t))
            both = first(network.add_concatenation([shape, constant(network, wide, np.int64)]))
            chosen = first(network.add_select(constant(network, [True, False], bool), shape, constant(network, wide, np.int64)))
            put = first(network.add_scatter(shape, constant(network, [[1]], np.int32), constant(network, [9], np.int64), trt.ScatterMode.ND))
            return [both, chosen, put]

        for got, want in zip(outputs(mixed, {"x": x}, {("x", 0)}), ([2, 3, 7, 8], [2, 8], [2, 9])):
            np.testing.assert_array_equal(got, want)
        got = of_generation(10, lambda n, a, b: first(n.add_concatenation([a, b])), {"a": np.array([1], np.int32), "b": np.array([2**40])})
        self.assertEqual((got.dtype, got.tolist()), (np.dtype(np.int64), [1, 2**40]))

    def test_mixed_others(self):
        a, b, p = draw(2), np.array([1, 2], np.int32), np.array([True, False])
        for make in (lambda n, s, t, c: first(n.add_concatenation([s, t])), lambda n, s, t, c: first(n.add_select(c, s, t)), lambda n, s, t, c: first(n.add_elementwise(s, t, SUM))):
            says(self, r"layer '\(Unnamed Layer\* 0\).*'a' .*'b' .*add_cast", make, {"a": a, "b": b, "c": p})

    def test_fill(self):
        """Types of alpha and beta, and of what is filled with them."""

        def line(network, begin):
            layer = network.add_fill((3, 2), trt.FillOperation.LINSPACE, trt.int32)
            layer.set_input(1, begin)
            layer.set_input(2, constant(network, [10, 1], np.int64))
            return first(layer)

        np.testing.assert_array_equal(outputs(line, {"b": np.array(5, np.int32)}), [[5, 6], [15, 16], [25, 26]])

        def half(network):
            layer = network.add_fill((3,), trt.FillOperation.LINSPACE, trt.float16)
            layer.alpha, layer.beta = 1, 0.5
            return first(layer)

        got = outputs(half, {})
        self.assertEqual((got.dtype, got.tolist()), (np.dtype(np.float16), [1, 1.5, 2]))

        def odd(network):
            layer = network.add_fill((3,), trt.FillOperation.LINSPACE, trt.int32)
            layer.beta = 0.5
            return first(layer)

        says(self, "beta is 0.5, which INT32 does not hold", odd, {})

    def test_quantize_by_one_scale(self):
        """A scale of one element is for all, however many dims it has."""
        for x, shape in itertools.product((draw(3, 4) * 5, draw(4) * 5), ((), (1,), (1, 1))):

            def make(network, t):
                q = network.add_quantize(t, constant(network, np.full(shape, 0.1)))
                return [first(q), first(network.add_dequantize(first(q), constant(network, np.full(shape, 0.1))))]

            q, y = outputs(make, {"x": x})
            np.testing.assert_array_equal(q, np.clip(np.round(x / np.float32(0.1)), -128, 127))
            close(y, q * np.float32(0.1))


class Boxes(unittest.TestCase):
    def test_of_classes(self):
        """Boxes of their own for each class are those of as many runs with one class."""
        rng = np.random.default_rng(3)
        at = rng.random((2, 9, 3, 2)).astype(np.float32)
        boxes, scores = np.concatenate([at, at + 0.5], 3), rng.random((2, 9, 3)).astype(np.float32)

        def best(network, b, s):
            layer = network.add_nms(b, s, constant(network, 4, np.int32))
            layer.set_input(3, constant(network, 0.3))
            return [layer.get_output(0), layer.get_output(1)]

        def by_class(b):
            parts = [outputs(best, {"b": np.ascontiguousarray(b[:, :, min(c, b.shape[2] - 1)]), "s": scores[:, :, c : c + 1]})[0] + [0, c, 0] for c in range(3)]
            rows = np.concatenate(parts)
            return rows[np.lexsort((rows[:, 1], rows[:, 0]))]

        for b in (boxes, boxes[:, :, :1]):
            for dynamic in ((), {("b", 0), ("b", 1), ("s", 0), ("s", 1)}):
                found, count = outputs(best, {"b": b, "s": scores}, dynamic)
                np.testing.assert_array_equal(found, by_class(b))
                self.assertEqual(int(count), len(found))
        says(self, "boxes are", best, {"b": boxes[0, 0], "s": scores})


class Groups(unittest.TestCase):
    def test_scale_and_bias(self):
        """One a group, as documented, one a channel, or one for all."""
        x = draw(2, 6, 4, 5)
        apart = x.reshape(2, 3, -1)
        plain = ((apart - apart.mean(2, keepdims=True)) / np.sqrt(apart.var(2, keepdims=True) + 1e-5)).reshape(x.shape)
        for n in (1, 3, 6):
            s, b = draw(1, n, 1, 1), draw(1, n, 1, 1)

            def make(network, t, u, v):
                layer = network.add_normalization(t, u, v, 0b1100)
                layer.num_groups = 3
                return first(layer)

            want = plain * s.repeat(6 // n, 1) + b.repeat(6 // n, 1)
            for dynamic in ((), {("x", 1), ("x", 2)}, {("s", 1), ("b", 1)}):
                close(outputs(make, {"x": x, "s": s, "b": b}, dynamic), want, 1e-4)

        def odd(network, t):
            layer = network.add_normalization(t, constant(network, np.ones((1, 1, 1, 1))), constant(network, np.ones((1, 1, 1, 1))), 0b1100)
            layer.num_groups = 4
            return first(layer)

        says(self, "6 channels do not make 4 groups", odd, {"x": x})

        def of_groups(network, t):  # those of the second kind are of channels
            layer = network.add_normalization_v2(t, constant(network, np.ones((1, 3, 1, 1))), constant(network, np.ones((1, 3, 1, 1))), 0b1100)
            layer.num_groups = 3
            return first(layer)

        says(self, "broadcast", of_groups, {"x": x})

    def test_reverse_sequence(self):
        """Of any two dims."""
        x, lengths = draw(2, 3, 4), np.array([1, 4, 2], np.int32)

        def make(network, t, n):
            layer = network.add_reverse_sequence(t, n)
            layer.batch_axis, layer.sequence_axis = 1, 2
            return first(layer)

        want = x.copy()
        for b, n in enumerate(lengths):
            want[:, b, :n] = x[:, b, :n][:, ::-1]
        close(outputs(make, {"x": x, "n": lengths}), want)


class Flow(unittest.TestCase):
    def sums(self, network, x, count, axis=0, reverse=False, kind=trt.LoopOutput.CONCATENATE, out=0):
        loop = network.add_loop()
        loop.add_trip_limit(count, trt.TripLimit.COUNT)
        row, total = loop.add_iterator(x, axis, reverse), loop.add_recurrence(constant(network, np.zeros(x.shape[1 - axis])))
        total.set_input(1, first(network.add_elementwise(first(total), first(row), SUM)))
        return [first(loop.add_loop_output(first(total), trt.LoopOutput.LAST_VALUE)), first(loop.add_loop_output(total.get_input(1), kind, out))]

    def test_iterators(self):
        x = draw(4, 3)
        for axis, reverse, out in itertools.product((0, 1), (False, True), (0, 1)):
            rows = np.moveaxis(x, axis, 0)[:: -1 if reverse else 1]
            for trips in (0, 1, len(rows)):
                last, every = outputs(lambda n, t, k: self.sums(n, t, k, axis, reverse, out=out), {"x": x, "k": np.array(trips, np.int32)})
                want = np.cumsum(rows[:trips], 0)
                close(last, want[-1] if trips else np.zeros(rows.shape[1]))
                self.assertEqual(every.shape, np.moveaxis(want, 0, out).shape)
                close(every, np.moveaxis(want, 0, out))
            says(self, "outside", lambda n, t, k: self.sums(n, t, k, axis, reverse), {"x": x, "k": np.array(len(rows) + 1, np.int32)})
        for axis in (2, -3, 10**8, 2**40):
            says(self, "LoopOutput.*axis is", lambda n, t, k: self.sums(n, t, k, out=axis), {"x": x, "k": np.array(2, np.int32)})

            def rows_of(network, t, k):
                loop = network.add_loop()
                loop.add_trip_limit(k, trt.TripLimit.COUNT)
                return first(loop.add_loop_output(first(loop.add_iterator(t, axis)), trt.LoopOutput.CONCATENATE))

            says(self, "Iterator.*axis is", rows_of, {"x": x, "k": np.array(2, np.int32)})

    def test_count_and_while(self):
        def make(network, t, count):
            loop = network.add_loop()
            loop.add_trip_limit(count, trt.TripLimit.COUNT)
            y = loop.add_recurrence(t)
            loop.add_trip_limit(first(network.add_elementwise(first(y), constant(network, [20]), LESS)), trt.TripLimit.WHILE)
            y.set_input(1, first(network.add_elementwise(first(y), first(y), SUM)))
            return [first(loop.add_loop_output(first(y), trt.LoopOutput.LAST_VALUE)), first(loop.add_loop_output(y.get_input(1), trt.LoopOutput.REVERSE))]

        for begin, count in itertools.product((1, 15, 30), (0, 2, 9)):
            value, every = begin, []
            while len(every) < count and value < 20:
                value *= 2
                every.append([value])
            last, back = outputs(make, {"x": np.array([begin], np.float32), "n": np.array(count, np.int32)})
            self.assertEqual((last.tolist(), back.tolist()), ([value], every[::-1]))

    def test_while_in_a_loop(self):
        """Adds 1 to each row until its sum is 10."""
        x = draw(4, 3)

        def make(network, t):
            outer, inner = network.add_loop(), network.add_loop()
            outer.add_trip_limit(constant(network, 4, np.int32), trt.TripLimit.COUNT)
            y = inner.add_recurrence(first(outer.add_iterator(t)))
            total = first(network.add_reduce(first(y), trt.ReduceOperation.SUM, 1, False))
            inner.add_trip_limit(first(network.add_elementwise(total, constant(network, 10), LESS)), trt.TripLimit.WHILE)
            y.set_input(1, first(network.add_elementwise(first(y), constant(network, [1, 1, 1]), SUM)))
            return first(outer.add_loop_output(first(inner.add_loop_output(first(y), trt.LoopOutput.LAST_VALUE)), trt.LoopOutput.CONCATENATE))

        want = x.copy()
        for row in want:
            while row.sum() < 10:
                row += 1
        close(outputs(make, {"x": x}), want)

    def test_if_in_a_loop(self):
        """Adds rows whose sum is positive, takes others off."""
        x, want, every = draw(6, 3), np.zeros(3, np.float32), []

        def make(network, t):
            loop, choice = network.add_loop(), network.add_if_conditional()
            loop.add_trip_limit(constant(network, 6, np.int32), trt.TripLimit.COUNT)
            y, row = loop.add_recurrence(constant(network, np.zeros(3))), first(loop.add_iterator(t))
            choice.set_condition(first(network.add_elementwise(first(network.add_reduce(row, trt.ReduceOperation.SUM, 1, False)), constant(network, 0), trt.ElementWiseOperation.GREATER)))
            a, b = first(choice.add_input(first(y))), first(choice.add_input(row))
            y.set_input(1, first(choice.add_output(first(network.add_elementwise(a, b, SUM)), first(network.add_elementwise(a, b, trt.ElementWiseOperation.SUB)))))
            return [first(loop.add_loop_output(first(y), trt.LoopOutput.LAST_VALUE)), first(loop.add_loop_output(y.get_input(1), trt.LoopOutput.CONCATENATE))]

        for row in x:
            want = want + row if row.sum() > 0 else want - row
            every.append(want)
        last, all_of_them = outputs(make, {"x": x})
        close(last, want)
        close(all_of_them, np.stack(every))

    def test_types(self):
        """What an iteration hands on is what it was handed, and both branches give one type."""

        def counting(begin, step):
            def make(network):
                loop = network.add_loop()
                loop.add_trip_limit(constant(network, 3, np.int32), trt.TripLimit.COUNT)
                y = loop.add_recurrence(begin(network))
                y.set_input(1, step(network, first(y)))
                return first(loop.add_loop_output(first(y), trt.LoopOutput.LAST_VALUE))

            return make

        narrow, wide = (lambda n: constant(n, [1, 2], np.int32)), (lambda n: constant(n, [1, 2], np.int64))
        more = lambda n, t: first(n.add_elementwise(t, wide(n), SUM))  # noqa: E731
        np.testing.assert_array_equal(outputs(counting(narrow, more), {}), [4, 8])
        np.testing.assert_array_equal(outputs(counting(wide, lambda n, t: first(n.add_cast(more(n, t), trt.int32))), {}), [4, 8])
        with self.assertRaisesRegex(planish.InvalidArgument, "Recurrence.*INT32.*INT64.*add_cast"):
            of_generation(10, counting(narrow, more), {})
        says(self, "Recurrence.*INT32.*FLOAT", counting(narrow, lambda n, t: first(n.add_cast(t, trt.float32))), {})
        says(self, "1 dims, the next one .* 2", counting(narrow, lambda n, t: constant(n, [[1, 2]], np.int32)), {})

        def branches(other):
            def make(network, p, t):
                choice = network.add_if_conditional()
                choice.set_condition(p)
                v = first(choice.add_input(t))
                return first(choice.add_output(v, other(network, v)))

            return make

        for p in (True, False):
            given = {"p": np.array(p), "t": np.array([5, 6], np.int32)}
            np.testing.assert_array_equal(outputs(branches(more), given), [5, 6] if p else [6, 8])
            says(self, "ConditionalOutput.*one type", branches(lambda n, v: first(n.add_cast(v, trt.float32))), given)
            says(self, "ConditionalOutput.*1 and 2 dims", branches(lambda n, v: first(n.add_unsqueeze(v, constant(n, [0], np.int32)))), given)


if __name__ == "__main__":
    unittest.main()
