// A run of somebody's tests with Testcontainers for Node: as session/main.go, it makes things,
// says so, and ends when nobody writes to it any more.
"use strict";
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { GenericContainer, Network, Wait } = require("testcontainers");

function is(what, got, want) {
  if (JSON.stringify(got) !== JSON.stringify(want)) {
    throw new Error(`${what}: got ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
  }
}

async function text(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts).toString();
}

async function session() {
  const network = await new Network().start();
  const web = await new GenericContainer("nginx")
    .withNetwork(network)
    .withNetworkAliases("web")
    .withExposedPorts(80)
    .withWaitStrategy(Wait.forAll([Wait.forListeningPorts(), Wait.forLogMessage("start worker process")]))
    .start();
  const page = await fetch(`http://${web.getHost()}:${web.getMappedPort(80)}/`);
  is("the published port", page.status, 200);

  const context = fs.mkdtempSync(path.join(os.tmpdir(), "context"));
  const dockerfile = 'FROM busybox\nARG what\nRUN echo built $what > /file\nCMD ["sh", "-c", "cat /file; sleep 1000"]\n';
  fs.writeFileSync(path.join(context, "Dockerfile"), dockerfile);
  const image = await GenericContainer.fromDockerfile(context).withBuildArgs({ what: "here" }).build();
  const built = await image
    .withNetwork(network)
    .withCopyContentToContainer([{ content: "early", target: "/early" }])
    .withHealthCheck({ test: ["CMD", "true"], interval: 100, timeout: 1000, retries: 3 })
    .withWaitStrategy(Wait.forAll([Wait.forLogMessage("built here"), Wait.forHealthCheck()]))
    .start();
  const said = await built.exec(["sh", "-c", "cat /early; wget -qO /dev/null http://web/ && echo; exit 3"]);
  is("exec", [said.exitCode, said.output], [3, "early\n"]);
  await built.copyContentToContainer([{ content: "later", target: "/tmp/later" }]);
  is("copied back", (await text(await built.copyArchiveFromContainer("/tmp/later"))).includes("later"), true);
  await built.restart();
  await built.stop(); // which removes it

  console.log("ready");
  process.stdin.resume(); // it ends with that
}

session().catch((err) => {
  console.error(err);
  process.exit(1);
});
