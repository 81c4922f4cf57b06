const endpoint = document.body.dataset.endpoint;
const find = (id) => document.getElementById(id);

class SignedOut extends Error {}
class Told extends Error {} // its message is for the visitor

// Calls the backend: with POST if there is a body, else with GET.
async function callBackend(path, body) {
  const response = await fetch(path, {
    method: body ? "POST" : "GET",
    headers: body && { "Content-Type": "application/json" },
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(45_000),
  });
  if (response.status === 401) throw new SignedOut();
  const answer = await response.json();
  if (!response.ok) throw answer.message ? new Told(answer.message) : new Error(`the backend answered ${response.status}`);
  return answer;
}

// The client session that the backend gave this page. Its token is kept in memory only.
let current;

// Calls Seam. If Seam refuses the token, asks the backend for another one, once.
async function callSeam(path, params = {}) {
  const send = (session) => fetch(endpoint + path, {
    method: "POST",
    headers: { "Authorization": `Bearer ${session.token}`, "Content-Type": "application/json" },
    body: JSON.stringify(params),
    signal: AbortSignal.timeout(15_000),
  });
  const used = current ??= await callBackend("/seam/session", {});
  let response = await send(used);
  if (response.status === 401) {
    current = await callBackend("/seam/session", { refused: used.client_session_id }); // another call may have replaced it
    response = await send(current);
  }
  if (response.status === 401) throw new SignedOut();
  if (!response.ok) throw new Error(`Seam answered ${response.status}`);
  return response.json();
}

// Shows which doors there are, from the backend, and their state, from Seam.
async function refresh() {
  const { devices } = await callSeam("/devices/list"); // first: it replaces a token that was revoked
  const doors = await callBackend("/doors");
  const items = new Map([...find("doors").children].map((item) => [item.dataset.id, item]));
  for (const { id, name } of doors) {
    const item = items.get(id) ?? addDoor(id);
    items.delete(id);
    item.querySelector("h2").textContent = name;
    item.querySelector("button").ariaLabel = `Unlock ${name}`;
    const { online, locked } = devices.find((device) => device.device_id === id)?.properties ?? {};
    if (item.dataset.state === "busy") continue;
    if (online === false) setState(item, "failed", "Offline");
    else if (locked === false) setState(item, "good", "Unlocked");
    else setState(item, "", locked ? "Locked" : "");
  }
  for (const gone of items.values()) gone.remove();
  setState(find("status"), "good", doors.length ? "Your doors are ready." : "You have no doors yet. Connect the account of your locks.");
}

function addDoor(id) {
  const item = find("door").content.cloneNode(true).firstElementChild;
  item.dataset.id = id;
  item.querySelector("button").addEventListener("click", () => unlock(item));
  find("doors").append(item);
  return item;
}

const unlock = (item) => run(item.querySelector("button"), item, async () => {
  setState(item, "busy", "Unlocking…");
  await callBackend("/unlock", { device_id: item.dataset.id });
  setState(item, "good", "Unlocked");
}, "There was no answer. Look whether the door is open before you try again.");

async function connect() {
  const { url } = await callBackend("/connect", {});
  location.assign(url); // Seam sends the visitor back here
}

async function signOut() {
  const response = await fetch("/signout", { method: "POST", signal: AbortSignal.timeout(30_000) });
  if (!response.ok) throw new Error(`the backend answered ${response.status}`);
  showSignIn("You are signed out on all devices.");
}

// Shows a state and its text in a status, or in the status of a door.
function setState(element, state, text) {
  element.dataset.state = state;
  const status = element.matches(".status") ? element : element.querySelector(".status");
  if (status.textContent !== text) status.textContent = text; // screen readers read each change
}

function showSignIn(notice) {
  current = undefined;
  find("account").hidden = true;
  find("doors").replaceChildren();
  find("welcome").hidden = false;
  find("notice").textContent = notice;
  find("name").focus();
}

// Runs the action of a button, unless it is running. The button keeps the focus meanwhile,
// which it would lose if it were disabled.
async function run(button, status, action, failure) {
  if (find("account").hidden || button.ariaDisabled === "true") return;
  button.ariaDisabled = "true";
  try {
    await action();
  } catch (error) {
    if (error instanceof SignedOut) return showSignIn("You were signed out. Sign in again.");
    console.error(error);
    setState(status, "failed", error instanceof Told ? error.message : failure);
  } finally {
    button.ariaDisabled = "false";
  }
}

const start = (id, action, failure) => run(find(id).querySelector("button"), find("status"), action, failure);
const actions = {
  connect: () => start("connect", connect, "No account could be connected. Try again."),
  refresh: () => start("refresh", refresh, "Your doors could not be loaded. Try again."),
  signout: () => start("signout", signOut, "You may still be signed in. Try again."),
};
for (const [id, action] of Object.entries(actions)) {
  find(id).addEventListener("submit", (event) => { event.preventDefault(); action(); });
}
addEventListener("pageshow", actions.refresh); // when the page loads, and after Back
document.addEventListener("visibilitychange", () => { if (!document.hidden) actions.refresh(); });
