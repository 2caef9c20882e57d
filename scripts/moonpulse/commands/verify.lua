--- moonpulse verify: is the record of a run as the run left it?
local cli = require "moonpulse.cli"
local escapes = require "moonpulse.text.escapes"
local json = require "moonpulse.text.sorted_json"
local progresses = require "moonpulse.text.progress"
local records = require "moonpulse.cli.records_option"
local verify = require "moonpulse.verify"

local M = {}

function M.parser()
  local parser = cli.parser("verify",
    "Check the record of a run: the SHA-256 of every file, the chain of its journal, its signature; "
      .. "events.tsv against flight.bin (or, of a run with --speed, against the plan played again), and "
      .. "resolved.plan against the protocol's text, parameters and seed; of an experiment what its script, "
      .. "shut in and told what the journal says that it was told, decides again. What differs is told with "
      .. "file and line. Exit status 0: whole; 1: something differs. That all is whole shows no damage; "
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
  say(found.whole and "whole" or "DIFFERS", found.folder)
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

function M.run(options)
  local all_whole = true
  for _, path in ipairs(options.run) do
    local folder = records.find(path)
    local bar <close> = progresses.new()
    local found, message = verify.folder(folder, { signers = options.allowed_signers, key = options.key },
      function(...) bar:show(...) end)
    bar:close()
    if not found then
      cli.fail("usage", "%s", message)
    end
    all_whole = all_whole and found.whole
    if options.json then
      tell_json(found)
    else
      tell(found)
    end
  end
  return all_whole and 0 or 1
end

return M
