--- The fixture of specs that start Moonpulse: a folder for each test, jobs in the background that end with
--- it, and what a run left.
local assert = require "luassert"
local busted = require "busted"
local cjson = require "cjson"
local core = require "moonpulse.core"
local seals = require "moonpulse.record.seal"
local shell = require "shell"

local M = {}

local Jobs = {}
Jobs.__index = Jobs

--- As shell.start, in the test's folder: the job is killed after the test, if it has not ended, or before
--- another one of its name is started, for that one's files take the place of its own.
function Jobs:start(name, arguments, environment, before)
  for _, job in ipairs(self) do
    if job.name == name then
      job:kill()
      job.name = nil
    end
  end
  local job = shell.start(self.folder, name, arguments, environment, before)
  job.name = name
  self[#self + 1] = job
  return job
end

--- A pseudo-terminal of this process, as whoever sends triggers has it: it is closed after the test.
function Jobs:port()
  self.ports[#self.ports + 1] = core.pty(nil, function() end)
  return self.ports[#self.ports]
end

--- Inside describe: before each test, give(folder, jobs) is called; after it nothing of either is left.
---@param give fun(folder: string, jobs: table) jobs: a list, with start and port
function M.each_test(give)
  local jobs
  busted.before_each(function()
    jobs = setmetatable({ folder = shell.folder(), ports = {} }, Jobs)
    give(jobs.folder, jobs)
  end)
  busted.after_each(function()
    for _, job in ipairs(jobs) do
      job:kill()
    end
    for _, port in ipairs(jobs.ports) do
      port:close()
    end
    shell.remove(jobs.folder)
  end)
end

--- The folder of the one run under out. Fails where there is none, or another.
---@param out string what --out said
---@return string
function M.run_in(out)
  local names = shell.names(out)
  assert.are.equal(1, #names, "runs in " .. out)
  return out .. "/" .. names[1]
end

--- A run's manifest.json.
---@param run string its folder
---@return table
function M.manifest(run)
  return cjson.decode((assert(shell.read(run .. "/manifest.json"))))
end

--- Seal the folder of a run that a test has changed, as if it had been so from the beginning: the journal's
--- last line, which has the hashes of all files, is written anew.
---@param run string its folder
function M.seal(run)
  local text = shell.read(run .. "/journal.jsonl")
  local before, last = text:match("^(.*\n)([^\n]*\n)$")
  local entry = {}
  if last:find('"kind":"sealed"', 1, true) then
    shell.write(run .. "/journal.jsonl", before)
    local was = cjson.decode(last)
    entry = { at = was.at, at_ns = was.at_ns, told = was.told }
  end
  local manifest = M.manifest(run)
  manifest.journal_head, manifest.journal_lines = nil, nil
  shell.write(run .. "/manifest.json", cjson.encode(manifest))
  assert(seals.again(run, "sealed", entry))
end

--- A run's recover.json; empty where there is none.
---@param run string its folder
---@return table
function M.internals(run)
  local text = shell.read(run .. "/recover.json")
  return text and cjson.decode(text) or {}
end

--- The rows of events.tsv that are pulses, and all of them; each is whole and has its number.
---@param path string the run's folder
---@return table[] pulses
---@return table[] rows
function M.pulse_rows(path)
  local pulses = {}
  local rows, names = shell.rows(path .. "/events.tsv")
  assert.are.equal(core.event_header, names .. "\n")
  for i, row in ipairs(rows) do
    assert.are.equal(20, row.cells)
    assert.are.equal(tostring(i), row.index)
    if row.event == "pulse" then
      pulses[#pulses + 1] = row
    end
  end
  return pulses, rows
end

--- Run folder/made.lua once for each of meetings, all at the same time, as they mostly wait. What a shell
--- does in the run's folder (in folder/NAME) is in a script that the run is told.
---@param folder string
---@param meetings table<string, string> by name: shell commands
---@param arguments fun(name: string, script: string): string of the run, which is to do the script
---@return table<string, { status: integer, out: string, err: string }> by name
function M.meet(folder, meetings, arguments)
  local names, commands, results = {}, {}, {}
  for name, meeting in pairs(meetings) do
    local script = ("%s/%s.sh"):format(folder, name)
    shell.write(script, ("cd %s/%s/* || exit 1\n%s\n"):format(folder, name, meeting))
    names[#names + 1] = name
    commands[#names] = ("%s run %s/made.lua %s --out %s/%s --tolerance 1000"):format(
      shell.quote(shell.program), folder, arguments(name, script), folder, name)
  end
  for i, result in ipairs(shell.together(folder, commands)) do
    results[names[i]] = result
  end
  return results
end

--- Wait until the flight record of the one run in a folder, which goes on, has so many event codes: who sees
--- a byte at the box is sooner than the thread that stores that it wrote it.
---@param job table
---@param folder string for a copy: the record itself is the run's
---@param runs string
---@param count integer
---@param place string? of several devices the one whose record it is
function M.await_codes(job, folder, runs, count, place)
  local path = M.run_in(runs) .. (place and "/" .. place or "") .. "/flight.bin"
  shell.await(function()
    shell.copy(path, folder .. "/flight.copy")
    local reader, stored = core.flight_read(folder .. "/flight.copy"), 0
    for entry in reader and reader.next or function() end, reader do
      stored = stored + (entry.kind == "code" and 1 or 0)
    end
    if reader then
      reader:close()
    end
    return stored >= count or job:ended()
  end, count .. " event codes in " .. path)
end

return M
