--- A note in the record of a run that is over: what the operator says of it, or that another run goes on
--- with it.
local clocks = require "moonpulse.record.clocks"
local cli = require "moonpulse.cli"
local core = require "moonpulse.core"
local edited = require "moonpulse.safety.edited"
local lfs = require "lfs"
local notes = require "moonpulse.record.note"
local opened = require "moonpulse.record.opened"
local reports = require "moonpulse.report"
local seals = require "moonpulse.record.seal"
local signatures = require "moonpulse.record.signature"
local to_type = require "moonpulse.text.to_type"

local M = {}

local most_wait_s = 30 -- for another note, or a command that reads the record

--- The folder's lock, once whoever has it is done.
local function lock_of(folder)
  local waited = 0
  while true do
    local lock, message = core.lock_folder(folder)
    if lock or lock == nil then
      return lock or cli.fail("usage", "%s", message)
    elseif waited >= most_wait_s then
      cli.fail("usage", "%s: another program is at work there: wait until it has ended; nothing was noted",
        folder)
    end
    core.wait(0.1)
    waited = waited + 0.1
  end
end

--- A note takes the signature of a run away: without a key that signs it anew nothing is noted.
---@return string? key the fingerprint; nil: it is not to be signed
local function key_of(options, folder)
  if not options.key then
    local signed = lfs.symlinkattributes(folder .. "/" .. seals.signature, "mode")
    return signed and cli.fail("usage", "%s is signed, and a note takes its signature away: give --key KEY, "
      .. "which signs it anew; nothing was noted", folder) or nil
  end
  local key, message = signatures.fingerprint(options.key)
  if not key then
    cli.fail("usage", "--key: %s", message)
  end
  local ok, why = signatures.can_sign(options.key)
  return ok and key or cli.fail("fault", "the key cannot be used here: %s; a key with a passphrase is loaded "
    .. "by ssh-add; nothing was noted", why)
end

--- Leaves with a message where the record is not one that a note may be added to.
local function check_whole(folder)
  local manifest, message = opened.manifest(folder)
  local goes_on = opened.goes_on(folder)
  if goes_on then
    cli.fail("usage", "%s, then note it; nothing was noted", goes_on)
  elseif not manifest then
    cli.fail("usage", "%s", message)
  elseif manifest.status == "running" then
    cli.fail("usage", "%s: its run was killed: %s, then note it; nothing was noted", folder,
      to_type.recover(folder))
  end
  local differing, lost = seals.differing(folder)
  if lost or not differing and manifest.journal_head then
    cli.fail("usage", "%s: its seal (SHA256SUMS) is missing: %s, then note it; nothing was noted", folder,
      to_type.recover(folder))
  elseif not differing then
    cli.fail("usage", "%s is of an older version, whose records had no audit trail: write the note "
      .. "elsewhere", folder)
  end
  differing = differing[1] and differing or seals.differing_from_journal(folder)
  local what = differing[1] and table.concat(differing, ", ") or edited.look(folder, manifest)
    or type(message) == "table" and message[1]
  if what then
    cli.fail("limit", "%s is not as it was sealed, so nothing is noted in it: %s: moonpulse verify %s",
      folder, what, to_type.path(folder))
  end
end

--- Note something in a run's record, and seal it again. Leaves with a message where that cannot be.
---@param folder string of the run
---@param asked { text: string, operator: string?, key: string? }
---@param check fun()? may refuse, once nobody else is at work there
---@return table done { at, who, text, seal, seal_before, key }
function M.write(folder, asked, check)
  -- somebody notes it now, also where what goes on with that run is in virtual time
  local note = { at = clocks.text(core.wall_ns()), who = asked.operator or "n/a", text = asked.text }
  local lock <close> = lock_of(folder) -- luacheck: ignore 211
  seals.sweep(folder)
  check_whole(folder)
  if check then
    check()
  end
  local key, before = key_of(asked, folder), seals.current(folder)
  local seal, message = notes.add(folder, note, reports.page(folder))
  if not seal then
    cli.fail("fault", "%s: nothing was noted: %s", folder, message)
  end
  if key then
    seal, message = signatures.seal(folder, asked.key, { key = key, who = note.who, why = "moonpulse note" })
    if not seal then
      cli.fail("fault", "%s: the note is in it, but it is not signed: %s; moonpulse sign %s --key KEY",
        folder, message, to_type.path(folder))
    end
  end
  return { at = note.at, who = note.who, text = note.text, seal = seal, seal_before = before, key = key }
end

return M
