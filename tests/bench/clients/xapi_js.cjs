// @xapi/xapi against a record store: node xapi_js.cjs ENDPOINT KEY SECRET VERSION. Prints what it did; ends with 1 on
// the first thing that is not as it should be.
const assert = require("node:assert/strict");
const { randomUUID, createHash } = require("node:crypto");
const XAPI = require("@xapi/xapi").default ?? require("@xapi/xapi");

const [endpoint, key, secret, version] = process.argv.slice(2);
const run = randomUUID();
const agent = { objectType: "Agent", account: { homePage: "https://lms.example.com", name: `client-${run}` } };
const activity = { objectType: "Activity", id: `https://lms.example.com/page/${run}`, definition: { name: { en: "Page" } } };
const verb = { id: "http://adlnet.gov/expapi/verbs/experienced", display: { en: "experienced" } };
const statement = () => ({ id: randomUUID(), actor: agent, verb, object: activity });

async function main() {
  const client = new XAPI({ endpoint, auth: XAPI.toBasicAuth(key, secret), version });
  const about = await client.getAbout();
  assert.ok(about.data.version.includes(version));

  const one = statement();
  assert.deepEqual((await client.sendStatement({ statement: one })).data, [one.id]);
  assert.equal((await client.getStatement({ statementId: one.id })).data.actor.account.name, agent.account.name);

  const many = [statement(), statement(), statement()];
  await client.sendStatements({ statements: many });
  const page = (await client.getStatements({ agent, limit: 2 })).data;
  assert.equal(page.statements.length, 2);
  const rest = (await client.getMoreStatements({ more: page.more })).data;
  assert.equal(rest.statements.length, 2);

  await client.voidStatement({ actor: agent, statementId: many[0].id });
  assert.equal((await client.getVoidedStatement({ voidedStatementId: many[0].id })).data.id, many[0].id);
  await assert.rejects(client.getStatement({ statementId: many[0].id }));

  const content = new TextEncoder().encode("a proof, with ümläuts");
  const proof = {
    ...statement(),
    attachments: [{
      usageType: "https://example.com/proof", display: { en: "Proof" }, contentType: "text/plain",
      length: content.byteLength, sha2: createHash("sha256").update(content).digest("hex"),
    }],
  };
  // With its axios adapter under Node the client itself loses the Content-Type of a multipart body.
  const fetching = new XAPI({ endpoint, auth: XAPI.toBasicAuth(key, secret), version, adapter: "fetch" });
  await fetching.sendStatement({ statement: proof, attachments: [content.buffer] });
  const withFile = await fetching.getStatement({ statementId: proof.id, attachments: true });
  assert.match(String(withFile.headers["content-type"]), /multipart\/mixed/);

  const state = { agent, activityId: activity.id, stateId: "bookmark" };
  await client.createState({ ...state, state: { page: 1 } });
  await client.createState({ ...state, state: { seen: true } });
  assert.deepEqual((await client.getState(state)).data, { page: 1, seen: true });
  assert.deepEqual((await client.getStates({ agent, activityId: activity.id })).data, ["bookmark"]);
  const tag = (await client.getState(state)).headers.etag;
  await client.setState({ ...state, state: { page: 2 }, etag: tag, matchHeader: "If-Match" });
  await client.deleteState(state);

  const profile = { activityId: activity.id, profileId: "settings" };
  await client.createActivityProfile({ ...profile, profile: { a: 1 }, etag: "*", matchHeader: "If-None-Match" });
  const seen = await client.getActivityProfile(profile);
  await client.setActivityProfile({ ...profile, profile: { a: 2 }, etag: seen.headers.etag, matchHeader: "If-Match" });
  assert.deepEqual((await client.getActivityProfile(profile)).data, { a: 2 });
  await assert.rejects(
    client.setActivityProfile({ ...profile, profile: { a: 3 }, etag: seen.headers.etag, matchHeader: "If-Match" }),
  );
  await client.createAgentProfile({ agent, profileId: "own", profile: { b: 1 }, etag: "*", matchHeader: "If-None-Match" });
  assert.deepEqual((await client.getAgentProfiles({ agent })).data, ["own"]);

  assert.equal((await client.getActivity({ activityId: activity.id })).data.definition.name.en, "Page");
  assert.equal((await client.getAgent({ agent })).data.objectType, "Person");
  console.log(`@xapi/xapi ${require("@xapi/xapi/package.json").version}, xAPI ${version}: all as it should be`);
}

main().catch((error) => {
  console.error(error.response?.data ?? error);
  process.exit(1);
});
