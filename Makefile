# The words people type. The build itself is CMake's; CC, CFLAGS, LDFLAGS, PREFIX and DESTDIR are honoured.
PREFIX ?= /usr/local
BUILD ?= build
JOBS ?= $(shell scripts/jobs 2>/dev/null || echo 2)
export BUILD JOBS

ifneq ($(shell command -v ninja 2>/dev/null),)
export CMAKE_GENERATOR ?= Ninja
endif

.PHONY: all demo check test test-all test-cuda docs site install uninstall dist deb clean

# cmocka or libpng may have come since the last configuring, which left their tests out.
all: $(BUILD)/CMakeCache.txt
	@! grep -qE '^(CMOCKA|PNG_PNG)_.*-NOTFOUND$$' $(BUILD)/CMakeCache.txt || cmake -S . -B $(BUILD) >/dev/null
	cmake --build $(BUILD) --parallel $(JOBS)

$(BUILD)/CMakeCache.txt:
	@command -v cmake >/dev/null || { echo "missing: $$(scripts/deps --look)  (make demo and make test install what they need, or print the line to type)" >&2; exit 1; }
	cmake -S . -B $(BUILD) -DCMAKE_BUILD_TYPE=Release $(CMAKE_FLAGS)

# make demo [PICTURE=my.png] [OFFLINE=1]
demo:
	scripts/demo

check: all
	@cd $(BUILD) && { ctest --output-on-failure --parallel $(JOBS) -L '^check$$' --output-junit check.xml; status=$$?; \
	    "$(CURDIR)/scripts/ctest_summary" check.xml; exit $$status; }

test:
	scripts/test

test-all:
	scripts/test --all

# On a machine with an NVIDIA GPU.
test-cuda: all
	scripts/test_cuda

# The pages of operators and of trtexec's flags, written by the command itself; the test docs_complete holds them against the command.
docs: all
	$(BUILD)/bin/planish ops --markdown >docs/operators.md
	$(BUILD)/bin/planish trtexec --pln-markdown >docs/trtexec.md

# The documents as a web site, in $(BUILD)/site; MkDocs comes from PyPI.
site: all
	scripts/site

install: all
	cmake --install $(BUILD) --prefix $(PREFIX)

# What the last `make install` of this build installed.
uninstall:
	@test -e $(BUILD)/install_manifest.txt || { echo "uninstall: nothing was installed from $(BUILD)"; exit 1; }
	@while read -r file || [ -n "$$file" ]; do rm -f "$(DESTDIR)$$file" && echo "removed $(DESTDIR)$$file"; done <$(BUILD)/install_manifest.txt
	@cmake -E rm -f $(BUILD)/install_manifest.txt

# The source archive, the same bytes for the same commit.
dist:
	scripts/dist

# Debian packages, of the source archive.
deb:
	scripts/deb

clean:
	rm -rf $(BUILD)
