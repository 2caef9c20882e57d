--- What is made again from a folder is made in a process of its own, which is shut in
--- (moonpulse.run.look_bounds): the folder may be somebody else's. What it leaves is read as data.
local cjson = require "cjson.safe"
local core = require "moonpulse.core"
local courses = require "moonpulse.run.course"
local lfs = require "lfs"
local look_bounds = require "moonpulse.run.look_bounds"
local companions = require "moonpulse.text.companions"

local M = {}

local most_said = 500 -- bytes of why it could not be: a script's may be endless

--- How long it may take by a clock on the wall, in seconds, by what is made again: several times the
--- computing that the process may do, on a computer that others use as well.
M.longest_s = { experiment = 300, protocol = 3600 }

local flags = { experiment = "--look", protocol = "--look-plan" }
local words = { experiment = "playing the kept script again", protocol = "making the plan again" }

--- A line of how far it is.
local function report(progress, state)
  return function(text)
    local done, total = text:match("^played (%d+) of (%d+)$")
    if done then
      state.played = true
      progress("playing again", math.tointeger(done) or 0, math.tointeger(total) or 0, "pulses")
    end
    return done ~= nil
  end
end

--- Make it again.
---@param kind "experiment"|"protocol"
---@param folder string of the run
---@param out string a folder of ours that is there; the process makes what it needs in it
---@param progress fun(what: string, done: integer, total: integer, of: string)
---@return boolean ended it came to its end: what it leaves is in out/made
---@return string said last, on one line; why it did not end
function M.make(kind, folder, out, progress)
  if not pcall(core.current) then
    return core.run(M.make, kind, folder, out, progress)
  end
  local args = { "/bin/sh", "-c", 'exec "$0" "$@" </dev/null 2>&1', companions.program(), "rerun", folder,
    flags[kind], "--out", out .. "/made" }
  local longest_s, state = M.longest_s[kind], {}
  local ok, said = pcall(courses.perform, args, { longest_s = longest_s, kind = kind,
    on_line = kind == "protocol" and report(progress, state) or nil, each = function(seconds)
      if not state.played and seconds >= 1 then
        progress(words[kind], math.min(math.floor(seconds), longest_s), longest_s, "s at most")
      end
    end })
  if not ok then
    if type(said) == "table" and said.code == "stopped" then
      error(said, 0)
    end
    return false, type(said) == "table" and said.message or tostring(said)
  end
  local why = table.concat(said, " "):gsub("^.*moonpulse: ", "")
  return true, #why > most_said and why:sub(1, most_said) .. " ..." or why
end

---@class moonpulse.MadeAgain a protocol's run
---@field path string where resolved.plan, again/events.tsv and again/twin.tsv are
---@field why string? why nothing could be made again
---@field plan_why string? why resolved.plan is not there
---@field play_why string? why the tables are not
---@field protocol table? what a manifest has of it: with the next two
---@field conditions table<string, integer>?
---@field trials table<string, integer>?
---@field no_driver boolean? but for what hangs on its driver
---@field remedy string what can be done about it

local most_made = 1000000

local function text_of(value)
  return type(value) == "string" and value or nil
end

--- Make a protocol's run again.
---@param folder string of the run
---@param out string as of make
---@param progress fun(what: string, done: integer, total: integer, of: string)
---@return moonpulse.MadeAgain
function M.protocol(folder, out, progress)
  local ended, said = M.make("protocol", folder, out, progress)
  local text = ended and core.read_file(out .. "/made/made.json", most_made)
  local found = text and cjson.decode(text)
  local made = { path = out .. "/made", remedy = M.remedy("protocol", folder) }
  if type(found) ~= "table" then
    made.why = said ~= "" and said or "it was ended before its end"
    return made
  end
  made.why, made.plan_why = text_of(found.why), text_of(found.plan_why)
  made.play_why = text_of(found.play_why)
  if type(found.protocol) == "table" then
    made.protocol, made.conditions, made.trials = found.protocol, found.conditions, found.trials
    made.no_driver = found.no_driver == true
  end
  return made
end

--- What can be done about what could not be made again.
---@param kind "experiment"|"protocol"
---@param folder string of the run
---@return string
function M.remedy(kind, folder)
  if lfs.attributes(folder .. "/sources", "mode") ~= "directory" then
    return "verify a copy of the folder that has them"
  end
  local most = look_bounds.most(kind)
  return ("it may take %d s of computing and %d MB, and needs the kernel's seccomp: try it on another "
    .. "computer, or look at sources/ yourself"):format(most.seconds, most.megabytes)
end

return M
