--- Is the folder of a run as the run left it, and does what is in it fit together?
local chains = require "moonpulse.verify.chain"
local children = require "moonpulse.verify.child"
local codes = require "moonpulse.verify.codes"
local derived = require "moonpulse.verify.derived"
local experiments = require "moonpulse.verify.experiment"
local files = require "moonpulse.verify.files"
local findings_of = require "moonpulse.verify.findings"
local folders = require "moonpulse.record.folder"
local leaves = require "moonpulse.verify.leaves"
local manifests = require "moonpulse.verify.manifest"
local plans = require "moonpulse.verify.plan"
local opened = require "moonpulse.record.opened"
local reports = require "moonpulse.verify.report"
local replays = require "moonpulse.verify.replay"
local rows = require "moonpulse.verify.rows"
local seals = require "moonpulse.record.seal"
local simulated = require "moonpulse.verify.simulated"
local signatures = require "moonpulse.record.signature"
local times = require "moonpulse.verify.times"
local trails = require "moonpulse.verify.trail"
local xdf = require "moonpulse.verify.xdf"
local lfs = require "lfs"

local M = {}

--- The exit status of each verdict.
M.status = { whole = 0, differs = 1, ["not all checked"] = 6 }

local first_told = 3 -- record_version: since then the journal has a chain, and tells the manifest

---@class moonpulse.Verified
---@field folder string
---@field verdict "whole"|"differs"|"not all checked"
---@field whole boolean the verdict is that: nothing differs, and all was checked
---@field seal string? SHA-256 of SHA256SUMS; nil: the folder is not sealed
---@field short string? the same as a run's last lines print it
---@field lines integer of the journal
---@field signed string? by whom
---@field unsigned true? the journal says that it was signed, and there is no signature
---@field sealed_again true? the seal is another one than the run's own: a note has the one before
---@field differs moonpulse.Difference[]
---@field checked string[]
---@field unchecked string[]
---@field notes string[]

--- The signature: must there be one, and is it of this seal?
local function check_signature(folder, lines, by, findings)
  local there = lfs.symlinkattributes(folder .. "/" .. seals.signature, "mode") ~= nil
  local signed, number, last
  for i, line in ipairs(lines) do
    local kind = line.entry and line.entry.kind
    if kind == "signature" then
      signed, number = line.entry, i
    end
    last = kind ~= "sealed" and i or last -- a run that is signed has that line behind
  end
  if signed and not there then
    findings:differ(seals.signature, nil, "the run was signed with the key %s (line %d of "
      .. "journal.jsonl), and the signature is missing%s", tostring(signed.key or "n/a"), number,
      number < last and ": what was done since is not signed; moonpulse sign signs it anew" or "")
    return nil, true
  elseif not there then
    if by.signers or by.key then
      findings:differ(seals.signature, nil, "the run is not signed")
    end
    return
  end
  local ok, said = signatures.check(folder, by)
  if not ok then
    return findings:differ(seals.signature, nil, "it is no signature of this seal: %s", said)
  end
  findings:check("the seal is signed %s", said)
  return said
end

local function check_ended(manifest, findings, sealed)
  if manifest.status == "running" then
    findings:differ("manifest.json", nil, "the run was killed: moonpulse recover makes it whole")
  elseif not sealed then
    findings:differ(seals.name, nil, "it is missing: the run was killed before it could seal its folder "
      .. "(moonpulse recover seals it), or somebody took it away")
  end
end

--- Is the record of a version whose manifest the journal tells as well? Its own chain says so, whatever the
--- manifest does: one that begins with the journal is of no older version.
local function check_version(manifest, lines, findings)
  local version = manifest.record_version
  if (tonumber(version) or 0) >= first_told then
    return true
  elseif not lines[1] or lines[1].older then
    return false
  end
  findings:differ("manifest.json", nil, "record_version is %s, and the journal has had a chain from its "
    .. "first line on, as since version %d only", version == nil and "missing" or tostring(version),
    first_told)
  return true
end

--- What is made again without playing anything: the manifest, the report; and what the journal's lines say of
--- each other.
local function check_again(folder, manifest, lines, made, findings)
  local events = not findings:has "events.tsv" and rows.read(folder, findings) or nil
  local list, undone = derived.of(folder, manifest, lines, events, made)
  leaves.check(folder, manifest, lines, list, undone, findings)
  times.check(manifest, lines, findings)
  simulated.check(folder, manifest, lines, findings)
  trails.check(manifest, lines, lfs.symlinkattributes(folder .. "/" .. seals.name, "mode") ~= nil, findings)
  if events then
    reports.check(folder, manifest, lines, events, findings)
    xdf.check(folder, manifest, findings)
    codes.check(folder, manifest, made, { events = events, lines = lines }, findings)
  end
end

--- What must be in the folder of a run that fits together, beyond the hashes.
local function check_contents(folder, manifest, lines, chained, findings, progress)
  local virtual = manifest.speed ~= nil and manifest.speed ~= 1
  local begin = lines[1] and lines[1].entry
  local scratch <close>, problem = folders.scratch()
  if not scratch then
    return findings:leave("what the folder says, made again", problem, "make room where temporary files are")
  end
  local made = manifest.kind ~= "experiment" and children.protocol(folder, scratch.path, progress)
  if made then
    plans.check(folder, manifest, made, findings)
  end
  if chained then
    check_again(folder, manifest, lines, made, findings)
  end
  rows.check_twin(folder, manifest, findings)
  if not virtual then
    rows.against_flight(folder, manifest, lines, findings, progress)
  end
  if manifest.kind == "experiment" then
    if virtual then
      rows.against_journal(folder, manifest, lines, findings)
    end
    experiments.check(folder, manifest, lines, scratch.path, findings, progress)
  elseif not begin or begin.kind ~= "begin" then
    findings:leave("events.tsv against the plan played again", "the journal does not say how it was driven",
      "compare it with a copy that was kept elsewhere")
  elseif manifest.status ~= "not run" then
    replays.check(folder, manifest, made, findings)
  end
end

--- Verify the folder of a run. Changes nothing in it, and runs no code of its but its protocol's or its
--- experiment's text, in a process of its own that is shut in.
---@param folder string
---@param by { signers: string?, key: string? } whose signature is expected: moonpulse.record.signature
---@param progress (fun(what: string, done: integer, total: integer, of: string))?
---@return moonpulse.Verified?
---@return string? message it is no folder of a run
function M.folder(folder, by, progress)
  progress = progress or function() end
  local goes_on = opened.goes_on(folder)
  if goes_on then
    return nil, goes_on
  end
  local manifest, message = opened.manifest(folder)
  local findings = findings_of.new()
  local sealed = lfs.symlinkattributes(folder .. "/" .. seals.name, "mode") ~= nil
  if not manifest and not sealed then
    return nil, message
  end
  local sums, seal = files.check(folder, findings, progress)
  local lines, chained = {}, false
  if not manifest then
    findings:differ("manifest.json", nil, "%s", message)
  else
    for _, each in ipairs(type(message) == "table" and message or {}) do
      findings:differ("manifest.json", nil, "%s", (each:gsub("^manifest.json: ", "")))
    end
    lines, chained = chains.check(folder, manifest, sums, findings)
    if sealed or chained or (tonumber(manifest.record_version) or 0) >= first_told then
      check_ended(manifest, findings, sealed)
    else
      findings:leave("the files", "the run is of an older version, which did not seal its folder",
        "compare them with a copy that was kept elsewhere")
    end
  end
  local signed, unsigned
  chained = chained and check_version(manifest, lines, findings)
  if chained and manifest.status ~= "running" then
    manifests.check(manifest, lines, rows.path(folder, findings), findings)
  end
  if seal then
    signed, unsigned = check_signature(folder, lines, by, findings)
  end
  if manifest and manifest.status ~= "running" then
    check_contents(folder, manifest, lines, chained, findings, progress)
  end
  local verdict = findings:verdict()
  return { folder = folder, verdict = verdict, whole = verdict == "whole", seal = seal,
    short = seal and seals.short(seal),
    lines = #lines, signed = signed, unsigned = unsigned, sealed_again = findings.sealed_again,
    differs = findings.differs, checked = findings.checked,
    unchecked = findings.unchecked, notes = findings.notes }
end

return M
