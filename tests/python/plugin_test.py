"""Plugins by subclass: of both generations, in networks and behind the parser, and in plans."""
import gc
import threading
import unittest

import numpy as np
from onnx import TensorProto, helper

import models
import planish
import planish.tensorrt as trt
from memory import on_device, put, taken
from network_test import LOGGER, build, close, draw, first, inputs_of, new, outputs, run


class Pad(trt.IPluginV3, trt.IPluginV3OneCore, trt.IPluginV3OneBuild, trt.IPluginV3OneRuntime):
    """Repeats rows around the ends, by `pads`."""

    def __init__(self, fields=None):
        trt.IPluginV3.__init__(self)
        self.plugin_name, self.plugin_version, self.plugin_namespace, self.num_outputs = "RowsAround", "2", "acme", 1
        self.pads = np.array([1, 1], np.int32)
        for field in fields or []:
            if field.name == "pads":
                self.pads = np.asarray(field.data, np.int32)
        self.calls = []

    def get_capability_interface(self, type):
        return self

    def get_output_data_types(self, input_types):
        return [input_types[0]]

    def get_output_shapes(self, inputs, shape_inputs, expr_builder):
        out = trt.DimsExprs(inputs[0])
        out[0] = expr_builder.operation(trt.DimensionOperation.SUM, inputs[0][0], expr_builder.constant(int(self.pads.sum())))
        return [out]

    def get_fields_to_serialize(self):
        return trt.PluginFieldCollection([trt.PluginField("pads", self.pads, trt.PluginFieldType.INT32)])

    def supports_format_combination(self, pos, in_out, num_inputs):
        return in_out[pos].desc.format == trt.TensorFormat.LINEAR

    def configure_plugin(self, inputs, outputs):
        assert inputs[0].desc.type == trt.float32
        for one, other in ((inputs[0].desc.dims, outputs[0].desc.dims), *((getattr(inputs[0], which), getattr(outputs[0], which)) for which in ("min", "opt", "max"))):
            assert other[0] == (one[0] + self.pads.sum() if one[0] >= 0 else -1)

    def get_valid_tactics(self):
        return [7]

    def set_tactic(self, tactic):
        assert tactic == 7

    def get_workspace_size(self, inputs, outputs):
        return 64

    def enqueue(self, input_desc, output_desc, inputs, outputs, workspace, stream):
        x = taken(inputs[0], input_desc[0].dims)
        assert workspace
        put(outputs[0], x[np.arange(-self.pads[0], len(x) + self.pads[1]) % len(x)])


class PadCreator(trt.IPluginCreatorV3One):
    def __init__(self):
        super().__init__()
        self.name, self.plugin_version, self.plugin_namespace = "RowsAround", "2", "acme"
        self.field_names = trt.PluginFieldCollection([trt.PluginField("pads", np.array([]), trt.PluginFieldType.INT32)])

    def create_plugin(self, name, fields, phase):
        return Pad(fields)


class Positive(trt.IPluginV3, trt.IPluginV3OneCore, trt.IPluginV3OneBuild, trt.IPluginV3OneRuntime):
    """The elements above 0: how many, a run tells."""

    plugin_name, num_outputs = "Positive", 2

    def get_output_data_types(self, input_types):
        return [input_types[0], trt.int32]

    def get_output_shapes(self, inputs, shape_inputs, expr_builder):
        most = inputs[0][0]
        count = expr_builder.declare_size_tensor(1, expr_builder.operation(trt.DimensionOperation.CEIL_DIV, most, expr_builder.constant(2)), most)
        return [trt.DimsExprs([count]), trt.DimsExprs(0)]

    def enqueue(self, input_desc, output_desc, inputs, outputs, workspace, stream):
        x = taken(inputs[0], input_desc[0].dims)
        found = x[x > 0]
        put(outputs[0], found)
        put(outputs[1], np.array([len(found)], np.int32))


class PositiveCreator(trt.IPluginCreatorV3One):
    name = "Positive"

    def create_plugin(self, name, fields, phase):
        return Positive()


class Scaled(trt.IPluginV2DynamicExt):
    """x times a factor, as TensorRT 8 has plugins."""

    def __init__(self, factor):
        super().__init__()
        self.plugin_type, self.plugin_version, self.num_outputs, self.factor = "Scaled", "1", 1, factor

    def get_output_datatype(self, index, input_types):
        return input_types[0]

    def get_output_dimensions(self, index, inputs, expr_builder):
        return trt.DimsExprs(inputs[0])

    def serialize(self):
        return np.float32(self.factor).tobytes()

    def enqueue(self, input_desc, output_desc, inputs, outputs, workspace, stream):
        put(outputs[0], taken(inputs[0], input_desc[0].dims) * np.float32(self.factor))
        return 0


class ScaledCreator(trt.IPluginCreator):
    name = "Scaled"

    def create_plugin(self, name, fields):
        return Scaled(float(fields[0].data[0]))

    def deserialize_plugin(self, name, data):
        return Scaled(float(np.frombuffer(data, np.float32)[0]))


class Repeat(trt.IPluginV3, trt.IPluginV3OneCore, trt.IPluginV3OneBuild, trt.IPluginV3OneRuntime):
    """x, as often as the values of a shape input say, in a block of those sizes."""

    plugin_name = "Repeat"

    def __init__(self):
        super().__init__()
        self.asked = []

    def get_output_data_types(self, input_types):
        return [input_types[0]]

    def get_output_shapes(self, inputs, shape_inputs, expr_builder):
        assert len(inputs) == 1 and len(shape_inputs) == 1 and len(shape_inputs[0]) == 2
        return [trt.DimsExprs([*shape_inputs[0], inputs[0][0]])]

    def enqueue(self, input_desc, output_desc, inputs, outputs, workspace, stream):
        put(outputs[0], np.broadcast_to(taken(inputs[0], input_desc[0].dims), output_desc[0].dims).copy())


class RepeatCreator(trt.IPluginCreatorV3One):
    name = "Repeat"

    def create_plugin(self, name, fields, phase):
        assert not fields
        return Repeat()


class Halved(trt.IPluginV3, trt.IPluginV3OneCore, trt.IPluginV3OneBuild, trt.IPluginV3OneRuntime):
    """x / 2 of halves alone."""

    plugin_name = "Halved"

    def get_output_data_types(self, input_types):
        return [input_types[0]]

    def get_output_shapes(self, inputs, shape_inputs, expr_builder):
        return [trt.DimsExprs(inputs[0])]

    def supports_format_combination(self, pos, in_out, num_inputs):
        return in_out[pos].desc.type == trt.DataType.HALF and in_out[pos].desc.format == trt.TensorFormat.LINEAR

    def enqueue(self, input_desc, output_desc, inputs, outputs, workspace, stream):
        assert input_desc[0].type == output_desc[0].type == trt.float16
        put(outputs[0], taken(inputs[0], input_desc[0].dims, np.float16) / np.float16(2))


class HalvedCreator(trt.IPluginCreatorV3One):
    name = "Halved"

    def create_plugin(self, name, fields, phase):
        return Halved()


class Halved2(trt.IPluginV2DynamicExt):
    """The same for TensorRT 8, out of halves into floats."""

    plugin_type = "Halved2"

    def get_output_datatype(self, index, input_types):
        return trt.float32

    def get_output_dimensions(self, index, inputs, expr_builder):
        return trt.DimsExprs(inputs[0])

    def supports_format_combination(self, pos, in_out, num_inputs):
        return in_out[pos].type == (trt.float16 if pos == 0 else trt.float32)

    def enqueue(self, input_desc, output_desc, inputs, outputs, workspace, stream):
        put(outputs[0], taken(inputs[0], input_desc[0].dims, np.float16).astype(np.float32) / 2)


class Halved2Creator(trt.IPluginCreator):
    name = "Halved2"

    def create_plugin(self, name, fields):
        return Halved2()

    def deserialize_plugin(self, name, data):
        return Halved2()


CALLS = []  # of the two classes below: who, what


class Told(trt.IPluginV2DynamicExt):
    """x, and a note of each call of TensorRT's order."""

    plugin_type, made = "Told", 0

    def __init__(self):
        super().__init__()
        Told.made += 1
        self.number, self.size = Told.made, 0

    def note(self, what):
        CALLS.append((self.number, what))

    def get_output_datatype(self, index, input_types):
        return input_types[0]

    def get_output_dimensions(self, index, inputs, expr_builder):
        return trt.DimsExprs(inputs[0])

    def supports_format_combination(self, pos, in_out, num_inputs):
        self.note(f"supports {pos} {in_out[pos].type.name}")
        return in_out[pos].format == trt.TensorFormat.LINEAR

    def configure_plugin(self, inputs, outputs):
        self.size = inputs[0].max[0]
        self.note(f"configure {tuple(inputs[0].desc.dims)} {tuple(inputs[0].min)} {tuple(outputs[0].max)}")

    def serialize(self):
        self.note("serialize")
        return np.int32(self.size).tobytes()

    def clone(self):
        made = Told()
        made.size = self.size
        self.note(f"clone {made.number}")
        return made

    def initialize(self):
        self.note("initialize")
        return 0

    def terminate(self):
        self.note("terminate")

    def enqueue(self, input_desc, output_desc, inputs, outputs, workspace, stream):
        self.note("enqueue")
        put(outputs[0], taken(inputs[0], input_desc[0].dims))


class ToldCreator(trt.IPluginCreator):
    name = "Told"

    def create_plugin(self, name, fields):
        return Told()

    def deserialize_plugin(self, name, data):
        made = Told()
        made.size = int(np.frombuffer(data, np.int32)[0])
        made.note("deserialize")
        return made


class Counting(trt.IPluginV3, trt.IPluginV3OneCore, trt.IPluginV3OneBuild, trt.IPluginV3OneRuntime):
    """x and how often this plugin ran."""

    plugin_name = "Counting"

    def __init__(self):
        super().__init__()
        self.runs, self.most = 0, 0

    def get_output_data_types(self, input_types):
        return [input_types[0]]

    def get_output_shapes(self, inputs, shape_inputs, expr_builder):
        return [trt.DimsExprs(inputs[0])]

    def configure_plugin(self, inputs, outputs):
        CALLS.append("configure")
        self.most = inputs[0].max[0]

    def get_fields_to_serialize(self):
        CALLS.append("fields")
        return trt.PluginFieldCollection([trt.PluginField("most", np.array([self.most], np.int32), trt.PluginFieldType.INT32)])

    def get_valid_tactics(self):
        return [5, 6]

    def attach_to_context(self, context):
        assert context.gpu_allocator is None and context.error_recorder is None
        CALLS.append("attach")
        return self.clone()

    def clone(self):
        made = Counting()
        made.most = self.most
        return made

    def set_tactic(self, tactic):
        CALLS.append(f"tactic {tactic}")

    def on_shape_change(self, inputs, outputs):
        CALLS.append(f"shapes {tuple(inputs[0].dims)}")

    def enqueue(self, input_desc, output_desc, inputs, outputs, workspace, stream):
        self.runs += 1
        put(outputs[0], taken(inputs[0], input_desc[0].dims) + np.float32(self.runs))


class CountingCreator(trt.IPluginCreatorV3One):
    name = "Counting"

    def create_plugin(self, name, fields, phase):
        CALLS.append(f"create {phase.name} {[int(f.data[0]) for f in fields]}")
        return Counting()


class Added(trt.IPluginV3, trt.IPluginV3OneCore, trt.IPluginV3OneBuildV2, trt.IPluginV3OneRuntime):
    """x, to which y is added where it lies, and 3 y."""

    plugin_name, num_outputs, wrong = "Added", 2, False

    def get_output_data_types(self, input_types):
        return [input_types[0]] * 2

    def get_output_shapes(self, inputs, shape_inputs, expr_builder):
        return [trt.DimsExprs(inputs[1]), trt.DimsExprs(inputs[0])]

    def get_aliased_input(self, output_index):
        return 0 if output_index or Added.wrong else -1

    def enqueue(self, input_desc, output_desc, inputs, outputs, workspace, stream):
        assert inputs[0] == outputs[1] and outputs[0] not in inputs
        x, y = (taken(memory, desc.dims) for memory, desc in zip(inputs, input_desc))
        put(outputs[1], x + y)
        put(outputs[0], 3 * y)


class AddedCreator(trt.IPluginCreatorV3One):
    name = "Added"

    def create_plugin(self, name, fields, phase):
        return Added()


class Plugins(unittest.TestCase):
    def setUp(self):
        self.registry = trt.get_plugin_registry()
        self.creators = [PadCreator(), PositiveCreator(), ScaledCreator()]
        for creator in self.creators:
            self.assertTrue(self.registry.register_creator(creator, creator.plugin_namespace))

    def tearDown(self):
        for creator in self.creators:
            self.registry.deregister_creator(creator)

    def test_shapes_before_a_run(self):
        """Of outputs that come of a plugin behind inputs, or behind another such plugin; one that has other layers around it tells them in the run."""
        builder, network = new()
        x = network.add_input("x", trt.float32, (-1, 3))
        once = first(network.add_plugin_v3([x], [], Pad()))
        more = Pad([trt.PluginField("pads", np.array([2, 3], np.int32))])
        twice = first(network.add_plugin_v3([once], [], more))
        bent = first(network.add_activation(once, trt.ActivationType.RELU))
        count = network.add_plugin_v3([first(network.add_constant((4,), draw(4)))], [], Positive())
        for name, tensor in (("once", once), ("twice", twice), ("bent", bent), ("found", first(count))):
            tensor.name = name
            network.mark_output(tensor)
        engine = build(builder, network)
        context = engine.create_execution_context()
        self.assertEqual(tuple(context.get_tensor_shape("once")), (-1, 3))
        for rows in (4, 7):
            self.assertTrue(context.set_input_shape("x", (rows, 3)))
            self.assertEqual([tuple(context.get_tensor_shape(name)) for name in ("once", "twice", "found")], [(rows + 2, 3), (rows + 7, 3), (-1,)])
            self.assertEqual((context.get_max_output_size("twice"), context.get_max_output_size("bent")), (12 * (rows + 7), -1))
            got = run(engine, {"x": draw(rows, 3)})
            self.assertEqual((got["once"].shape, got["twice"].shape, got["bent"].shape), ((rows + 2, 3), (rows + 7, 3), (rows + 2, 3)))

    def test_other_creator(self):
        """An engine keeps to the creators that were there when it was made, in all threads."""
        registry = trt.get_plugin_registry()

        def creator(more):
            made = ScaledCreator()
            made.name, made.deserialize_plugin = "Twice", lambda name, data: Scaled(more * float(np.frombuffer(data, np.float32)[0]))
            return made

        old, new_one = creator(1), creator(10)
        self.assertTrue(registry.register_creator(old, ""))
        builder, network = new()
        x, scaled = network.add_input("x", trt.float32, (-1,)), Scaled(3)
        scaled.plugin_type = "Twice"
        y = first(network.add_plugin_v2([x], scaled))
        y.name = "y"
        network.mark_output(y)
        try:
            engine, one = build(builder, network), np.ones(2, np.float32)
            said = [run(engine, {"x": one})["y"].tolist()]
            self.assertTrue(registry.deregister_creator(old) and registry.register_creator(new_one, ""))
            thread = threading.Thread(target=lambda: said.append(run(engine, {"x": one})["y"].tolist()))
            thread.start()
            thread.join()
            said.append(run(engine, {"x": one})["y"].tolist())
            self.assertEqual(said, [[3, 3]] * 3)
            again = trt.Runtime(LOGGER).deserialize_cuda_engine(engine.serialize())
            self.assertEqual(run(again, {"x": one})["y"].tolist(), [30, 30])
        finally:
            registry.deregister_creator(new_one)

    def test_registry(self):
        self.assertFalse(self.registry.register_creator(PadCreator()))
        self.assertIsNot(Positive().attach_to_context(None), None)
        self.assertIs(self.registry.get_creator("RowsAround", "2", "acme"), self.creators[0])
        self.assertIsNone(self.registry.get_creator("RowsAround", "1", "acme"))
        self.assertEqual(len(self.registry.all_creators), 3)
        self.assertIs(trt.get_builder_plugin_registry(trt.EngineCapability.STANDARD), self.registry)
        self.assertEqual(self.registry.acquire_plugin_resource("k", 5), self.registry.acquire_plugin_resource("k", 6))
        self.registry.release_plugin_resource("k")
        with self.assertRaises(planish.NotFound):
            self.registry.load_library("libacme.so")

    def test_network(self):
        x = draw(4, 3)
        plugin = self.creators[0].create_plugin("pad", trt.PluginFieldCollection([trt.PluginField("pads", np.array([2, 1], np.int32))]), trt.TensorRTPhase.BUILD)
        want = x[[2, 3, 0, 1, 2, 3, 0]]
        close(outputs(lambda n, t: first(n.add_plugin_v3([t], [], plugin)), {"x": x}, dynamic={("x", 0)}), want)
        builder, network = new()
        (t,) = inputs_of(network, {"x": x}, {("x", 0)})
        layer = network.add_plugin_v3([first(network.add_activation(t, trt.ActivationType.RELU))], [], plugin)
        self.assertEqual((layer.type, layer.plugin), (trt.LayerType.PLUGIN_V3, plugin))
        first(layer).name = "y"
        network.mark_output(first(layer))
        plan = bytes(build(builder, network).serialize())
        for rows in (4, 2):
            close(run(trt.Runtime(LOGGER).deserialize_cuda_engine(plan), {"x": x[:rows]})["y"], np.maximum(x[:rows], 0)[np.arange(-2, rows + 1) % rows])
        self.registry.deregister_creator(self.creators[0])
        self.assertIsNone(trt.Runtime(LOGGER).deserialize_cuda_engine(plan))
        self.assertIn("RowsAround", LOGGER.lines[-1][1])
        self.assertIsNone(builder.build_serialized_network(network, builder.create_builder_config()))
        self.assertIn("register_creator", LOGGER.lines[-1][1])

    def test_sizes_of_a_run(self):
        x = np.array([1, -2, 3, -4, 5], np.float32)
        found, count = outputs(lambda n, t: n.add_plugin_v3([t], [], Positive()).outputs, {"x": x})
        np.testing.assert_array_equal(found, [1, 3, 5])
        self.assertEqual(int(count), 3)

    def test_shape_inputs(self):
        """Their values are extents: of an input, of a constant, and of a node that the parser reads."""
        x, shape = draw(3), np.array([4, 2], np.int32)
        self.creators.append(RepeatCreator())
        self.registry.register_creator(self.creators[-1])
        want = np.broadcast_to(x, (4, 2, 3))
        close(outputs(lambda n, t, s: first(n.add_plugin_v3([t], [s], Repeat())), {"x": x, "s": shape}, dynamic={("x", 0)}), want)
        close(outputs(lambda n, t: first(n.add_plugin_v3([t], [first(n.add_constant((2,), shape))], Repeat())), {"x": x}), want)
        node = helper.make_node("Repeat", ["s", "x"], ["y"], tensorrt_plugin_shape_input_indices=[0])
        model = models.model([node], [("x", TensorProto.FLOAT, ["n"]), ("s", TensorProto.INT64, [2])], [("y", TensorProto.FLOAT, ["a", "b", "n"])])
        builder, network = new()
        self.assertTrue(trt.OnnxParser(network, LOGGER).parse(model.SerializeToString()), LOGGER.lines[-1:])
        engine = build(builder, network)
        close(run(engine, {"x": x, "s": shape})["y"], want)
        # Memory of the right size is enough, without an allocator.
        context, y = engine.create_execution_context(), on_device(np.zeros(want.shape, np.float32))
        memory = {"x": on_device(x), "s": on_device(shape), "y": y}
        self.assertTrue(context.set_input_shape("x", (3,)) and context.execute_v2([int(memory[name]) for name in engine]), LOGGER.lines[-1])
        close(taken(y, want.shape), want)
        self.assertEqual(tuple(context.get_tensor_shape("y")), (4, 2, 3))
        builder, network = new()
        t, s = inputs_of(network, {"x": x, "s": shape}, {("s", 0)})
        with self.assertRaisesRegex(planish.InvalidArgument, "shape input"):
            first(network.add_plugin_v3([t], [s], Repeat())).shape

    def test_version_2(self):
        x = draw(2, 3)
        plugin = Scaled(2.5)

        def make(n, t):
            layer = n.add_plugin_v2([t], plugin)
            self.assertIs(layer.plugin, plugin)
            return first(layer)

        close(outputs(make, {"x": x}), x * 2.5)

    def test_parser(self):
        """Nodes that only a plugin knows, with their attributes as fields."""
        node = helper.make_node("RowsAround", ["h"], ["y"], pads=[0, 2], plugin_version="2", plugin_namespace="acme")
        model = models.model([helper.make_node("Relu", ["x"], ["h"]), node], [("x", TensorProto.FLOAT, ["n", 3])], [("y", TensorProto.FLOAT, ["m", 3])])
        builder, network = new()
        parser = trt.OnnxParser(network, LOGGER)
        self.assertTrue(parser.parse(model.SerializeToString()), LOGGER.lines[-1:])
        x = draw(4, 3)
        close(run(build(builder, network), {"x": x})["y"], np.maximum(x, 0)[[0, 1, 2, 3, 0, 1]])

    def test_parser_in_bodies(self):
        """Nodes in branches and in functions of the model are plugins, too; shapes of such a network can be asked."""
        attributes = dict(pads=[0, 1], plugin_version="2", plugin_namespace="acme")
        sides = [helper.make_graph([helper.make_node(op, ["x"], [f"{op}_y"], **more)], op, [], [helper.make_tensor_value_info(f"{op}_y", TensorProto.FLOAT, None)])
                 for op, more in (("RowsAround", attributes), ("Neg", {}))]  # fmt: skip
        nodes = [helper.make_node("If", ["c"], ["h"], then_branch=sides[0], else_branch=sides[1]), helper.make_node("Twice", ["h"], ["y"], domain="mine"), helper.make_node("Abs", ["x"], ["z"])]
        twice = helper.make_function("mine", "Twice", ["a"], ["b"], [helper.make_node("RowsAround", ["a"], ["b"], **attributes)], [helper.make_opsetid("", 17)])
        infos = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2]), helper.make_tensor_value_info("c", TensorProto.BOOL, [])]
        outs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["m", 2]), helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 2])]
        model = helper.make_model(helper.make_graph(nodes, "g", infos, outs), functions=[twice], opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)], ir_version=10)
        builder, network = new()
        parser = trt.OnnxParser(network, LOGGER)
        self.assertTrue(parser.parse(model.SerializeToString()), LOGGER.lines[-1:])
        self.assertEqual((network.get_output(0).dtype, tuple(network.get_output(1).shape)), (trt.float32, (-1, 2)))
        x = draw(3, 2)
        for condition, y in ((True, x[[0, 1, 2, 0, 0]]), (False, -x[[0, 1, 2, 0]])):
            np.testing.assert_array_equal(run(build(builder, network), {"x": x, "c": np.array(condition)})["y"], y)

    def test_format_combinations(self):
        """A plugin that wants halves gets them where FP16 is permitted, and gives what the network has; where it is not, the build fails."""
        self.creators += [HalvedCreator(), Halved2Creator()]
        for creator in self.creators[-2:]:
            self.registry.register_creator(creator)
        x = draw(3, 5)
        want = x.astype(np.float16).astype(np.float32) / 2

        def layer(add):
            builder, network = new()
            (t,) = inputs_of(network, {"x": x}, {("x", 0)})
            y = add(network, first(network.add_activation(t, trt.ActivationType.RELU)))
            y.name = "y"
            network.mark_output(y)
            return builder, network

        def parsed(op):
            made = models.model([helper.make_node("Relu", ["x"], ["h"]), helper.make_node(op, ["h"], ["y"])], [("x", TensorProto.FLOAT, ["n", 5])], [("y", TensorProto.FLOAT, ["n", 5])])
            builder, network = new()
            self.assertTrue(trt.OnnxParser(network, LOGGER).parse(made.SerializeToString()), LOGGER.lines[-1:])
            return builder, network

        ways = [lambda: layer(lambda n, t: first(n.add_plugin_v3([t], [], Halved()))), lambda: layer(lambda n, t: first(n.add_plugin_v2([t], Halved2()))), lambda: parsed("Halved"), lambda: parsed("Halved2")]
        for way in ways:
            builder, network = way()
            config = builder.create_builder_config()
            self.assertIsNone(builder.build_serialized_network(network, config))
            self.assertRegex(LOGGER.lines[-1][1], "plugin 'Halved2?' supports no combination .* FLOAT, FLOAT; HALF for FLOAT is tried where BuilderFlag.FP16 is set")
            config.set_flag(trt.BuilderFlag.FP16)
            builder, network = way()
            plan = builder.build_serialized_network(network, config)
            self.assertIsNotNone(plan, LOGGER.lines[-1])
            engine = trt.Runtime(LOGGER).deserialize_cuda_engine(plan)
            self.assertEqual(engine.get_tensor_dtype("y"), trt.float32)
            np.testing.assert_array_equal(run(engine, {"x": x})["y"], np.maximum(want, 0))

    def test_life_of_version_2(self):
        """In TensorRT's order: a build asks for types, configures a clone for the profile, and serializes that; each context has a clone, which is initialized before its first run, told new
        shapes, and terminated with the context."""
        self.creators.append(ToldCreator())
        self.registry.register_creator(self.creators[-1])
        CALLS.clear()
        Told.made = 0
        builder, network = new()
        t = network.add_input("x", trt.float32, (-1, 2))
        y = first(network.add_plugin_v2([t], Told()))
        y.name = "y"
        network.mark_output(y)
        config, profile = builder.create_builder_config(), builder.create_optimization_profile()
        profile.set_shape("x", (1, 2), (3, 2), (8, 2))
        config.add_optimization_profile(profile)
        config.set_flag(trt.BuilderFlag.FP16)
        plan = builder.build_serialized_network(network, config)
        self.assertEqual({what for _, what in CALLS[5:]}, {"deserialize"})  # for shapes
        self.assertEqual(CALLS[:5], [(1, "clone 2"), (2, "supports 0 FLOAT"), (2, "supports 1 FLOAT"), (2, "configure (-1, 2) (1, 2) (8, 2)"), (2, "serialize")])
        CALLS.clear()
        engine = trt.Runtime(LOGGER).deserialize_cuda_engine(plan)
        context, other = engine.create_execution_context(), engine.create_execution_context()

        def check(context, rows):
            x, memory = draw(rows, 2), [on_device(np.zeros((rows, 2), np.float32)) for _ in range(2)]
            memory[0] = on_device(x)
            context.set_input_shape("x", x.shape)
            self.assertTrue(context.execute_v2([int(m) for m in memory]), LOGGER.lines[-1:])
            close(taken(memory[1], x.shape), x)

        for rows in (3, 3, 5):
            check(context, rows)
        mine = [(who, what) for who, what in CALLS]
        base, clone = mine[0][0], mine[-1][0]
        self.assertEqual(mine, [(base, "deserialize"), (base, f"clone {clone}"), (clone, "configure (3, 2) (3, 2) (3, 2)"), (clone, "initialize"), (clone, "enqueue"), (clone, "enqueue"),
                                (clone, "configure (5, 2) (5, 2) (5, 2)"), (clone, "enqueue")])  # fmt: skip
        check(other, 1)
        self.assertEqual([what for _, what in CALLS[len(mine) :]], [f"clone {CALLS[-1][0]}", "configure (1, 2) (1, 2) (1, 2)", "initialize", "enqueue"])
        CALLS.clear()
        del context
        gc.collect()
        self.assertEqual(CALLS, [(clone, "terminate")])

    def test_life_of_version_3(self):
        """Contexts and layers have plugins of their own, also of the same parameters, attached to the context; shapes are told when they change."""
        self.creators.append(CountingCreator())
        self.registry.register_creator(self.creators[-1])

        def layers():
            builder, network = new()
            t = network.add_input("x", trt.float32, (-1,))
            for _ in range(2):
                t = first(network.add_plugin_v3([t], [], Counting()))
            return builder, network, t

        def nodes():
            made = models.model([helper.make_node("Counting", ["x"], ["h"], most=[7]), helper.make_node("Counting", ["h"], ["y"], most=[7])], [("x", TensorProto.FLOAT, ["n"])], [("y", TensorProto.FLOAT, ["n"])])
            builder, network = new()
            self.assertTrue(trt.OnnxParser(network, LOGGER).parse(made.SerializeToString()), LOGGER.lines[-1:])
            return builder, network, None

        for way in (layers, nodes):
            builder, network, t = way()
            if t is not None:
                t.name = "y"
                network.mark_output(t)
            config, profile = builder.create_builder_config(), builder.create_optimization_profile()
            profile.set_shape("x", (1,), (3,), (8,))
            config.add_optimization_profile(profile)
            CALLS.clear()
            plan = builder.build_serialized_network(network, config)
            self.assertIsNotNone(plan, LOGGER.lines[-1:])
            if way is layers:
                self.assertEqual((CALLS[:2], CALLS.count("configure")), (["configure", "fields"], 2))
            engine = trt.Runtime(LOGGER).deserialize_cuda_engine(plan)
            CALLS.clear()
            got = []
            for rows in ((2, 2), (2, 4)):
                context = engine.create_execution_context()
                for n in rows:
                    memory = [on_device(np.zeros(n, np.float32)) for _ in range(2)]
                    context.set_input_shape("x", (n,))
                    self.assertTrue(context.execute_v2([int(m) for m in memory]), LOGGER.lines[-1:])
                    got.append(taken(memory[1], (n,))[0])
            self.assertEqual(got, [2, 4, 2, 4])
            told = [call for call in CALLS if call.split()[0] in ("attach", "tactic", "shapes")]
            self.assertEqual(told, ["attach", "tactic 5", "shapes (2,)"] * 4 + ["shapes (4,)"] * 2)
            created = [call for call in CALLS if call.startswith("create RUNTIME")]
            self.assertEqual(created, [f"create RUNTIME [{8 if way is layers else 2}]"] * 2)

    def test_in_a_loop(self):
        """One clone for all rounds of a run, and for the runs after it."""
        self.creators.append(CountingCreator())
        self.registry.register_creator(self.creators[-1])
        builder, network = new()
        t = network.add_input("x", trt.float32, (-1,))
        loop = network.add_loop()
        loop.add_trip_limit(first(network.add_constant((), np.int32(3))), trt.TripLimit.COUNT)
        kept = loop.add_recurrence(t)
        kept.set_input(1, first(network.add_plugin_v3([first(kept)], [], Counting())))
        y = first(loop.add_loop_output(first(kept), trt.LoopOutput.LAST_VALUE))
        y.name = "y"
        network.mark_output(y)
        config, profile = builder.create_builder_config(), builder.create_optimization_profile()
        profile.set_shape("x", (1,), (3,), (8,))
        config.add_optimization_profile(profile)
        engine = builder.build_engine_with_config(network, config)
        self.assertIsNotNone(engine, LOGGER.lines[-1:])
        CALLS.clear()
        context = engine.create_execution_context()
        for want in (1 + 2 + 3, 4 + 5 + 6):
            memory = [on_device(np.zeros(2, np.float32)) for _ in range(2)]
            context.set_input_shape("x", (2,))
            self.assertTrue(context.execute_v2([int(m) for m in memory]), LOGGER.lines[-1:])
            self.assertEqual(taken(memory[1], (2,)).tolist(), [want, want])
        self.assertEqual(CALLS.count("attach"), 1)

    def test_aliased_input(self):
        """An output in the memory of an input; the network's own tensor stays as it is."""
        self.creators.append(AddedCreator())
        self.registry.register_creator(self.creators[-1])
        x, y = draw(2, 3), draw(2, 3)

        def make(n, t, u):
            thrice, added = n.add_plugin_v3([t, u], [], Added()).outputs
            return [thrice, added, first(n.add_unary(t, trt.UnaryOperation.NEG))]

        for got, want in zip(outputs(make, {"x": x, "y": y}), (3 * y, x + y, -x)):
            close(got, want)
        self.assertEqual(trt.IPluginV3OneBuildV2().get_aliased_input(0), -1)
        Added.wrong = True
        try:
            with self.assertRaisesRegex(AssertionError, "an input is one output's"):
                outputs(make, {"x": x, "y": y})
        finally:
            Added.wrong = False

    def test_resources(self):
        """The clone of the first one is shared, and released behind the last."""

        class Table(trt.IPluginResource):
            def __init__(self, copies=0):
                self.copies, self.released = copies, 0

            def clone(self):
                return Table(self.copies + 1)

            def release(self):
                self.released += 1

        shared = self.registry.acquire_plugin_resource("table", Table())
        self.assertEqual(shared.copies, 1)
        self.assertIs(self.registry.acquire_plugin_resource("table", Table(5)), shared)
        self.registry.release_plugin_resource("table")
        self.assertEqual(shared.released, 0)
        self.registry.release_plugin_resource("table")
        self.assertEqual(shared.released, 1)
        self.assertIsNot(self.registry.acquire_plugin_resource("table", Table()), shared)
        self.registry.release_plugin_resource("table")
        self.assertIsInstance(trt.IPluginResource().clone(), trt.IPluginResource)

    def test_mistakes(self):
        raised = ValueError("out of paint")

        class Wrong(Scaled):
            def enqueue(self, *_):
                raise raised

        class WrongCreator(ScaledCreator):
            def deserialize_plugin(self, name, data):
                return Wrong(1)

        self.registry.deregister_creator(self.creators[2])
        wrong = WrongCreator()
        self.registry.register_creator(wrong)
        try:
            builder, network = new()
            (t,) = inputs_of(network, {"x": draw(2)})
            y = first(network.add_plugin_v2([t], Wrong(1)))
            y.name = "y"
            network.mark_output(y)
            context = build(builder, network).create_execution_context()
            memory = [on_device(np.zeros(2, np.float32)) for _ in range(2)]
            self.assertFalse(context.execute_v2([int(m) for m in memory]))
            self.assertIn("out of paint", LOGGER.lines[-1][1])
            for raised in (KeyboardInterrupt(), SystemExit(3)):
                with self.assertRaises(type(raised)):
                    context.execute_v2([int(m) for m in memory])
            raised = ValueError("out of brushes")
            self.assertFalse(context.execute_v2([int(m) for m in memory]))
            self.assertIn("out of brushes", LOGGER.lines[-1][1])
        finally:
            self.registry.deregister_creator(wrong)
        b = trt.IExprBuilder()
        with self.assertRaises(planish.InvalidArgument):
            b.operation(trt.DimensionOperation.FLOOR_DIV, b.constant(1), b.constant(0))
        self.assertEqual((b.constant(3).get_constant_value(), b.constant(3).is_constant(), trt.DimsExprs(2)[0].is_constant()), (3, True, False))


if __name__ == "__main__":
    unittest.main()
