--- moonpulse verify: is the record of a run as the run left it?
local cli = require "moonpulse.cli"
local core = require "moonpulse.core"
local escapes = require "moonpulse.text.escapes"
local interrupts = require "moonpulse.run.interrupts"
local json = require "moonpulse.text.sorted_json"
local progresses = require "moonpulse.text.progress"
local records = require "moonpulse.cli.records_option"
local verify = require "moonpulse.verify"

local M = {}

local words = { whole = "whole", differs = "DIFFERS", ["not all checked"] = "NOT ALL CHECKED " }
local gravest_first = { "differs", "not all checked", "whole" }

function M.parser()
  local parser = cli.parser("verify",
    "Check the record of a run: the SHA-256 of every file, the chain of its journal, its signature; "
      .. "each value of manifest.json and report.html against what the rest of the folder makes; "
      .. "events.tsv against flight.bin (or, of a run with --speed, against the plan played again), and "
      .. "resolved.plan against the protocol's text, parameters and seed; of an experiment what its script, "
      .. "shut in and told what the journal says that it was told, decides again. What differs is told with "
      .. "file and line. Exit status 0: whole; 1: something differs (DIFFERS); 6: nothing differs, but "
      .. "something cannot be checked here (NOT ALL CHECKED; each \"unchecked\" says what, why, and what to "
      .. "do). That all is whole shows no damage; "
      .. "compare the seal with the one that was noted when the run ended, or check a signature "
      .. "(docs/verify.md).",
    "moonpulse verify runs/2026-11-27T101500_itbs600\n"
      .. "moonpulse verify runs/* --json\n"
      .. "moonpulse verify runs/2026-11-27T101500_itbs600 --key lab.pub")
  parser:argument("run", "A run: " .. records.named .. "."):argname("RUN"):args("+")
  parser:flag("--json", "The result as JSON: an object a run, a line each.")
  parser:option("--allowed-signers", "Who may have signed it: a file as ssh-keygen -Y verify takes it.")
    :argname("FILE")
  parser:option("--key", "Who must have signed it: a public key."):argname("FILE.pub")
  return parser
end

--- Names and texts of somebody else may be in it.
local function say(key, text)
  print(escapes.shown(("%-10s%s"):format(key, text), true))
end

local function tell(found)
  say(words[found.verdict], found.folder)
  for _, each in ipairs(found.differs) do
    say("", ("%s%s: %s"):format(each.file, each.line and ":" .. each.line or "", each.text))
  end
  for _, list in ipairs { { "checked", found.checked }, { "note", found.notes },
    { "unchecked", found.unchecked } } do
    for _, text in ipairs(list[2]) do
      say(list[1], text)
    end
  end
  if found.short then
    say("seal", ("%s  (%s)"):format(found.short, found.signed and "signed " .. found.signed
      or found.sealed_again and "compare the seal before it with the one that was noted when the run ended"
      or "compare it with the one that was noted when the run ended"))
  end
end

local function tell_json(found)
  for _, key in ipairs { "differs", "checked", "unchecked", "notes" } do
    json.list(found[key])
  end
  print(json.encode(found))
end

--- Verify them; which verdicts there were.
local function verify_all(options)
  local told, heard <close> = {}, interrupts.begin()
  for _, path in ipairs(options.run) do
    local folder = records.run(path)
    -- what recover or sign has half written would differ; of a folder that cannot be opened verify says why
    local lock <close> = core.lock_folder(folder, true)
    if lock == false then
      cli.fail("usage", "%s: another program is at work there (moonpulse recover, sign): wait until it has "
        .. "ended", folder)
    end
    local bar <close> = progresses.new()
    local found, message = verify.folder(folder, { signers = options.allowed_signers, key = options.key },
      function(...)
        bar:show(...)
        heard:check "interrupted while the record was looked at; nothing was changed"
      end)
    bar:close()
    if not found then
      cli.fail("usage", "%s", message)
    end
    told[found.verdict] = true
    if options.json then
      tell_json(found)
    else
      tell(found)
    end
  end
  return told
end

function M.run(options)
  local told = verify_all(options)
  for _, verdict in ipairs(gravest_first) do
    if told[verdict] then
      return verify.status[verdict]
    end
  end
end

return M
