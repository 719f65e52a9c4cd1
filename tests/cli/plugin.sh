# plugin.sh PLANISH SOURCE_DIR RT_RUN PLUGIN_MODELS PLUGIN_DIR: custom operators from shared objects, in every command, and with the small library.
set -eu
p=$1 source=$2 rt_run=$3 models=$4 plugins=$5
. "$source/tests/cli/lib.sh"
cd "$scratch"
"$models" m.onnx
"$models" broken.onnx Broken
acme=$plugins/custom_op_plugin.so bad=$plugins/bad_plugin.so

# Without it: which operator, and what to do.
expect 1 "node 'scale'" "$p" run m.onnx --random 1
expect 1 "'com.acme:Scale' (version 1)" "$p" build m.onnx -o m.plan
expect 1 "--plugin" "$p" check m.onnx

# With it, in every command that builds or runs.
expect 0 "m.plan" "$p" build m.onnx -o m.plan --plugin "$acme"
expect 0 "z" "$p" run m.onnx --plugin="$acme" --random 1 --dim n=4
expect 0 "y" "$p" run m.plan --plugin "$acme" --random 1 --dim n=4
expect 0 "median" "$p" bench m.plan --plugin "$acme" --duration 0.1 --warm-up 1
expect 0 "plugin                       scale" "$p" bench m.plan --plugin "$acme" --duration 0.1 --warm-up 1 --profile
expect 0 "com.acme:Scale" "$p" inspect m.plan --plugin "$acme" --steps
expect 0 "plugin" "$p" inspect m.onnx --plugin "$acme" --json
expect 0 'factor=-2' "$p" inspect m.plan --plugin "$acme" --dump
expect 0 " 0 differ" "$p" compare m.onnx --plugin "$acme" --b ref --layers
expect 0 "no faults" "$p" check m.onnx m.plan --plugin "$acme"
expect 0 "com.acme.Positive" "$p" ops --plugin "$acme"
expect 0 "com.acme.Scale" "$p" ops Scale --plugin "$acme"
expect 0 '"domain":"com.acme","operator":"Scale"' "$p" ops Scale --plugin "$acme" --json
expect 0 "PASSED" "$p" trtexec --loadEngine=m.plan --pln-plugin="$acme" --shapes=x:2x3 --duration=0 --iterations=1 --warmUp=0
expect 0 "--plugin" "$p" run --help

# Cases in the layout of the ONNX backend tests.
mkdir case
cp m.onnx case/model.onnx
expect 1 "case: build: " "$p" check case
expect 0 "1 passed" "$p" check case --plugin "$acme" --timeout 20

# A plan says what is missing; the small library runs it, too.
expect 1 "'com.acme:Scale' (version 1), 'com.acme:Positive' (version 1)" "$p" run m.plan --random 1
expect 0 "cannot run here: the plan needs custom operators that are not registered" "$p" inspect m.plan
expect 1 "'com.acme:Scale' (version 1)" "$rt_run" m.plan
expect 0 "z 6" "$rt_run" m.plan "$acme"
expect 0 "z 6" "$rt_run" m.plan "$plugins/../lib/custom_op_plugin.so"

# Files: named by the user alone, in this folder too, never searched for.
cp "$acme" here.so
expect 0 "z" "$p" run m.onnx --plugin here.so --random 1
expect 1 "cannot load ./nowhere.so" "$p" run m.onnx --plugin nowhere.so --random 1
echo "no library" >text.so
expect 1 "text.so" "$p" run m.onnx --plugin text.so --random 1
expect 1 "already" "$p" run m.onnx --plugin here.so --plugin "$acme" --random 1
expect 1 "com.acme:Broken: the weights of Broken are gone" "$p" run broken.onnx --plugin "$acme" --plugin "$bad" --random 1
expect 1 "node 'positive'" "$p" run broken.onnx --plugin "$acme" --plugin "$bad" --random 1
expect 1 "returned 1234, which is no status" env BAD_PLUGIN=status "$p" run m.onnx --plugin "$bad"
expect 1 "failed: device error" env BAD_PLUGIN=silent "$p" run m.onnx --plugin "$bad"
expect 1 "made for version 2 of the plugin interface" env BAD_PLUGIN=newer "$p" run m.onnx --plugin "$bad"
expect 1 "ONNX's own" env BAD_PLUGIN=onnx "$p" run m.onnx --plugin "$bad"
other=$(find "$plugins" -name 'libplanish_rt.so*' | head -n 1) # not there in builds with sanitizers
[ -z "$other" ] || expect 1 "no function planish_plugin_register" "$p" run m.onnx --plugin "$other"
finish
