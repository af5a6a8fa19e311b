// What programs do in plain AssemblyScript: MODE says which.
const chunk = new ArrayBuffer(65536);
const parts: string[] = [];
let got = process.stdin.read(chunk);
while (got > 0) {
  parts.push(String.UTF8.decode(chunk.slice(0, got)));
  got = process.stdin.read(chunk);
}
const body = parts.join("");
const mode = process.env.get("MODE");
if (mode == "upper") {
  process.stdout.write(body.toUpperCase());
} else if (mode == "sort") {
  const lines = body.trimEnd().split("\n");
  lines.sort();
  process.stdout.write(lines.join("\n") + "\n");
} else {
  process.stderr.write("no such mode\n");
  process.exit(1);
}
