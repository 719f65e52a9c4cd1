#!/bin/sh
# hostile.sh PLANISH SOURCE: broken and hostile models as users of other runtimes met them (C01 to C09): each is answered in time, with what is wrong; those that are
# only odd run.
set -u
p=$1 source=$2
# shellcheck source=tests/cli/lib.sh
. "$source/tests/cli/lib.sh"
cd "$scratch" || exit 1
cp "$source"/tests/pains/hostile/* .
ln -s /etc/passwd link
answers() {
    name=$1 status=$2
    shift 2
    expect "$status" "$1" timeout 60 "$p" run "$name.onnx" --random 1 -q
}
answers C01_text 1 "not an ONNX model: it is a text file"
answers C02_identity 0 "output y f32[2,3]"
answers C03_epsilon 1 "epsilon is -841"
answers C03_stash_type 1 "stash_type is -940, which is no float type"
answers C03_axis 1 "axis 7 is outside of rank 2"
answers C03_ranks 1 "scale or bias cannot be broadcast"
answers C04_no_input 1 "node 0 (Add): operator Add takes 2 inputs in opset 17, not 1"
answers C04_unknown_input 1 "input 'nobody' is not an input, an initializer or an output of a node"
answers C04_element_type 1 "element type 977, which ONNX does not have"
answers C04_no_type 1 "graph input 'x' has no type"
answers C05_transposes 0 "output y f32[3,2]"
answers C06_gather 1 "is outside an axis of extent 2"
answers C06_gather_constant 1 "index -10 is outside an axis of extent 2"
answers C06_array_feature_extractor 1 "is outside of 3 features"
answers C07_col2im 1 "more bytes than can be addressed"
answers C07_col2im_negative 1 "would have the extent -1"
answers C07_svm 1 "do not fit"
answers C07_trees 1 "leads nowhere"
answers C08_traversal 1 "would leave the model's folder"
answers C08_absolute 1 "would leave the model's folder"
answers C08_symlink 1 "leads out of the model's folder"
# Where the model is a link, too, as in caches of downloads, its data may lie beside what it leads to, and nowhere else.
mkdir kept apart
cp C08_unknown_key.onnx kept/1
mv data kept/2
ln -s ../kept/1 apart/model.onnx
ln -s ../kept/2 apart/data
expect 0 "output y f32[4]" "$p" run apart/model.onnx --random 1 -q
cp C08_unknown_key.onnx apart/copy.onnx
expect 1 "leads out of the model's folder" "$p" run apart/copy.onnx --random 1 -q
cp kept/2 data
answers C08_negative 1 "bad offset"
answers C08_huge 1 "bad offset"
answers C08_length 1 "type and shape need 16 bytes, external_data gives 4"
answers C08_past_end 1 "are past the end of 'data'"
answers C08_number 1 "bad offset"
answers C08_nothing 1 "the location is missing or bad"
answers C08_unknown_key 0 "output y f32[4]"
answers C09_dims 1 "its dimensions are negative or too large"
answers C09_element_confusion 1 "type and shape need 16 bytes, raw_data has 4"
answers C09_pads 1 "out of range"
answers C09_expand 1 "more bytes than can be addressed"
answers C09_nested_ifs 0 "output y f32[2,3]"
expect 0 "52 nodes" timeout 20 "$p" optimize C09_nested_ifs.onnx -o written.onnx
expect 0 "no faults" "$p" check written.onnx
# Every fault is told without a run, too, where it is one of the model.
for name in C01_text C03_epsilon C03_axis C04_no_input C04_unknown_input C04_element_type C08_traversal C08_length C09_dims; do expect 1 "$name.onnx" "$p" check "$name.onnx"; done
for fault in "node 2 (Add): graph: input 'nobody'" "output 'z' is not" "declared with -7 for dim 1" "tensor 'w': type and shape need 24 bytes" "no operator Foo" "'axis' is of type STRING" "no attribute 'beta'"; do
    expect 1 "$fault" "$p" check C04_many_faults.onnx
done
finish
