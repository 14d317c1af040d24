// tincanjs against a record store: node tincan_js.cjs ENDPOINT KEY SECRET. Speaks xAPI 1.0.x. Ends with 1 on the first
// thing that is not as it should be.
const assert = require("node:assert/strict");
const { randomUUID } = require("node:crypto");
const TinCan = require("tincanjs");

const [endpoint, username, password] = process.argv.slice(2);
const lrs = new TinCan.LRS({ endpoint: `${endpoint}/`, username, password, version: "1.0.2", allowFail: false });
const run = randomUUID();
const agent = new TinCan.Agent({ account: { homePage: "https://lms.example.com", name: `tincan-${run}` } });
const activity = new TinCan.Activity({ id: `https://lms.example.com/page/${run}`, definition: { name: { en: "Page" } } });
const verb = { id: "http://adlnet.gov/expapi/verbs/experienced", display: { en: "experienced" } };
const statement = () => new TinCan.Statement({ id: randomUUID(), actor: agent, verb, target: activity });

const call = (method, ...given) =>
  new Promise((resolve, reject) => {
    const options = typeof given.at(-1) === "object" && !(given.at(-1) instanceof TinCan.Statement) ? given.pop() : {};
    lrs[method](...given, {
      ...options,
      callback: (error, answer) => (error === null ? resolve(answer) : reject(new Error(`${method}: ${error} ${answer?.responseText ?? ""}`))),
    });
  });

async function main() {
  assert.ok((await call("about")).version.includes("1.0.3"));
  const one = statement();
  await call("saveStatement", one, {});
  assert.equal((await call("retrieveStatement", one.id, {})).id, one.id);
  const many = [statement(), statement(), statement()];
  await new Promise((resolve, reject) =>
    lrs.saveStatements(many, { callback: (error, answer) => (error === null ? resolve(answer) : reject(new Error(`saveStatements: ${error}`))) }),
  );
  const page = await call("queryStatements", { params: { agent, limit: 2 } });
  assert.equal(page.statements.length, 2);
  assert.equal((await call("moreStatements", { url: page.more })).statements.length, 2);

  await call("saveState", "bookmark", JSON.stringify({ page: 1 }), { activity, agent, contentType: "application/json" });
  assert.equal((await call("retrieveState", "bookmark", { activity, agent })).contents.page, 1);
  await call("dropState", "bookmark", { activity, agent });

  await call("saveActivityProfile", "settings", JSON.stringify({ a: 1 }), { activity, contentType: "application/json" });
  const seen = await call("retrieveActivityProfile", "settings", { activity });
  await call("saveActivityProfile", "settings", JSON.stringify({ a: 2 }), {
    activity, contentType: "application/json", lastSHA1: seen.etag.replaceAll('"', ""),
  });
  assert.equal((await call("retrieveActivityProfile", "settings", { activity })).contents.a, 2);
  await call("saveAgentProfile", "own", JSON.stringify({ b: 1 }), { agent, contentType: "application/json" });
  assert.equal((await call("retrieveAgentProfile", "own", { agent })).contents.b, 1);
  assert.equal((await call("retrieveActivity", activity.id, {})).definition.name.en, "Page");
  console.log(`tincanjs ${require("tincanjs/package.json").version}, xAPI 1.0.2: all as it should be`);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
