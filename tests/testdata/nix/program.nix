# A script whose interpreter is a program of the store, which is started by a loader of the store. Its reference is read by it.
let
  mk = name: script: derivation {
    inherit name;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-e" "-c" script ];
    PATH = "/usr/bin:/bin";
  };
  runtime = mk "runtime-1.0" ''
    mkdir -p $out/lib
    cp -L /lib64/ld-linux-x86-64.so.2 $out/lib/ 2>/dev/null || cp -L /lib/ld-linux-aarch64.so.1 $out/lib/
    for lib in /lib/x86_64-linux-gnu /lib/aarch64-linux-gnu; do
      if [ -e $lib/libc.so.6 ]; then cp -L $lib/libc.so.6 $out/lib/; fi
    done
  '';
  text = mk "text-1.0" "mkdir $out; echo greetings from the store > $out/text";
  interpreter = mk "interpreter-1.0" ''
    mkdir -p $out/bin
    cat > main.c <<'END'
    #include <stdio.h>
    int main(int count, char **words) {
        char line[4096];
        FILE *script = fopen(words[1], "r");
        if (!script || !fgets(line, sizeof line, script) || !fgets(line, sizeof line, script)) return 2;
        for (char *c = line; *c; c++) if (*c == '\n') *c = 0;
        FILE *text = fopen(line, "r");
        if (!text || !fgets(line, sizeof line, text)) return 3;
        printf("%s", line);
        for (int i = 2; i < count; i++) printf("[%s]\n", words[i]);
        return count == 2 ? 0 : 7;
    }
    END
    gcc -o $out/bin/interpreter main.c -Wl,--dynamic-linker=$(echo ${runtime}/lib/ld-linux-*) -Wl,-rpath=${runtime}/lib
  '';
in
mk "app-1.0" ''
  mkdir -p $out/bin
  printf '#!${interpreter}/bin/interpreter\n${text}/text\n' > $out/bin/app
  chmod +x $out/bin/app
''
