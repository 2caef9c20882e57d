--- A run that is killed: what is in its folder at an instant, and what `moonpulse recover` makes of it.
local core = require "moonpulse.core"
local evidence = require "moonpulse.explore.evidence"
local folders = require "moonpulse.record.folder"
local lfs = require "lfs"
local recover = require "moonpulse.record.recover"
local several = require "moonpulse.explore.several"

local M = {}

local names = { "flight.bin", "journal.jsonl", "manifest.json", "recover.json", "events.tsv" }

local function read(path)
  local file <close> = io.open(path, "rb")
  return file and file:read "a"
end

local function write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  file:write(text)
end

--- The flight records of several devices, each in a folder of its own.
local function add_flights(files, run)
  for _, part in ipairs(run.parts or {}) do
    local name = part.place .. "/flight.bin"
    files[name] = read(run.record.folder .. "/" .. name)
  end
  return files
end

--- The files that a kill at this instant would leave: the flight record is in memory that the system keeps.
---@param run table of moonpulse.explore.play
---@return table<string, string> files by their names
local function look(run)
  local files, folder = {}, run.record.folder
  for _, name in ipairs(names) do
    files[name] = read(folder .. "/" .. name)
  end
  return add_flights(files, run)
end

--- Kill the run at its instant, as far as its folder is concerned; the run itself goes on. Nothing of the
--- run waits for this.
---@param run table of moonpulse.explore.play
function M.at(run)
  run.waiting[core.current()] = true
  core.wait(run.scenario.killed_s)
  if not run.over and run.record then
    run.killed = { at_ns = core.clock_ns(), files = look(run) }
  end
  run.waiting[core.current()] = nil
end

--- The files of a run that ended, as if it had been killed at its very end.
---@param run table
---@return table<string, string> files
function M.at_the_end(run)
  return add_flights({ ["flight.bin"] = read(run.folder .. "/flight.bin"),
    ["journal.jsonl"] = run.journal_text, ["recover.json"] = run.internals_text,
    ["manifest.json"] = run.manifest_text:gsub('"status": "[%a ]+"', '"status": "running"') }, run)
end

--- What `moonpulse recover` makes of such files.
---@param files table<string, string>
---@param folder string to do it in: is made, and removed
---@param is_several any true: of several devices, so that rows have their channels
---@return { summary: table?, why: string?, text: string?, kept: string?, rows: table[] }
---   recovered kept: all that it wrote; rows: of pulses
function M.recover(files, folder, is_several)
  lfs.mkdir(folder)
  for name, text in pairs(files) do
    local within = name:match "^(.*)/"
    lfs.mkdir(within and folder .. "/" .. within or folder)
    write(folder .. "/" .. name, text)
  end
  local summary, why = recover.run(folder, nil, function() end)
  local text = summary and read(folder .. "/events.tsv")
  local kept = summary and table.concat { text or "", read(folder .. "/manifest.json") or "",
    read(folder .. "/journal.jsonl") or "" }
  folders.remove(folder)
  local all, rows = text and evidence.rows(text) or {}, {}
  if is_several and text then
    several.tell_channels(all, text)
  end
  for _, row in ipairs(all) do
    rows[#rows + 1] = row.event == "pulse" and row or nil
  end
  return { summary = summary, why = not summary and why or nil, text = text, kept = kept, rows = rows }
end

return M
