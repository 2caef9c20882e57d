--- moonpulse sign: the signature of a run's record.
local as_json = require "moonpulse.cli.as_json"
local cli = require "moonpulse.cli"
local core = require "moonpulse.core"
local escapes = require "moonpulse.text.escapes"
local records = require "moonpulse.cli.records_option"
local seals = require "moonpulse.record.seal"
local signatures = require "moonpulse.record.signature"
local verify = require "moonpulse.verify"

local M = {}

function M.parser()
  local parser = cli.parser("sign",
    "Sign the record of a run that has ended: its journal gets a line that says so, its folder is sealed "
      .. "anew, and the seal is signed with an SSH key (ssh-keygen -Y sign, namespace moonpulse-run). A "
      .. "record that does not verify is not signed. moonpulse run --sign KEY does it at the end of a run.",
    "ssh-keygen -t ed25519 -f lab\n"
      .. "moonpulse sign runs/2026-11-27T101500_itbs600 --key lab")
  parser:argument("run", "The run: " .. records.named .. "."):argname("RUN")
  parser:option("--key", "The private key; or the public one, where an agent has the private one.")
    :argname("KEY"):count(1)
  parser:option("--operator", "Who signs, for the journal."):argname("CODE")
  parser:flag("--json", "The result as one JSON object (docs/schemas).")
  return parser
end

--- Is nothing wrong but that a signature which the journal has is not there? It failed, or what was done
--- since took it away: it is made now.
local function lacks_only_signature(found)
  return #found.differs == 1 and found.differs[1].file == seals.signature and found.unsigned == true
end

function M.run(options)
  local folder = records.run(options.run)
  local key, message = signatures.fingerprint(options.key)
  if not key then
    cli.fail("usage", "--key: %s", message)
  end
  local lock <close>, why = core.lock_folder(folder)
  if not lock then
    cli.fail("usage", "%s", why or folder .. ": another program is at work there: wait until it has ended")
  end
  local found
  found, message = verify.folder(folder, {})
  if not found then
    cli.fail("usage", "%s", message)
  elseif found.verdict == "differs" and not lacks_only_signature(found) then
    local first = found.differs[1]
    cli.fail("limit", "%s does not verify, so it is not signed: %s: %s", folder, first.file, first.text)
  end
  local ok
  ok, message = signatures.can_sign(options.key)
  if not ok then
    cli.fail("fault", "%s is not signed, and is as it was: the key cannot be used here: %s; a key with a "
      .. "passphrase is loaded by ssh-add", folder, message)
  end
  local before = seals.current(folder)
  local seal
  seal, message = signatures.seal(folder, options.key, { key = key, who = options.operator or "n/a",
    why = "moonpulse sign" })
  if not seal then
    cli.fail("fault", "%s is not signed: %s", folder, message)
  end
  if options.json then
    return as_json.tell { what = "moonpulse sign", folder = folder, key = key, seal = seal,
      seal_before = before }
  end
  print(escapes.shown(("signed %s with %s; seal %s (note it elsewhere; the one before was %s)"):format(folder,
    key, seals.short(seal), before and seals.short(before) or "n/a"), true))
end

return M
