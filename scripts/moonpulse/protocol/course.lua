--- Courses: in which phases a protocol is given to a participant, session by session. A course file is
--- checked like a protocol's, in the same sandbox, and stands where a protocol does: it is that protocol,
--- with a course.
local blame = require "moonpulse.text.author_line"
local in_order = require "moonpulse.text.in_order"
local lists = require "moonpulse.text.lists"
local protocols = require "moonpulse.protocol"

local M = {}

---@class moonpulse.SessionCourse
---@field name string
---@field file string? that it was read from
---@field begins string? "2026-11-30": what the participant had before is not of it
---@field phases moonpulse.Phase[]

local known = { protocol = "text", phases = "list", name = "?text", begins = "?date", note = "?text",
  id = "?text" }
local phase_known = { name = "?text", per_day = "number", days = "?number", total = "?number",
  gap_min = "?seconds", days_per_week = "?number", wait_days = "?number" }

local most = { per_day = 1000, days = 10000, total = 10000, days_per_week = 7, wait_days = 10000 }
local shortest_gap_s = 600 -- less is minutes that were taken for seconds: no schedule has such sessions
local longest_gap_s = 7 * 86400

local function text_of(who, key, value)
  if type(value) ~= "string" or value:match("^%s*$") then
    blame.fail("%s: %s must be text, not %s", who, key, type(value))
  end
  local problem = protocols.text_problem(key, value)
  if problem then
    blame.fail("%s: %s", who, problem)
  end
end

local function check_gap(who, gap)
  if gap ~= nil and (type(gap) ~= "number" or gap ~= gap or gap < 0 or gap > longest_gap_s) then
    blame.fail("%s: gap_min must be seconds, at most a week, like 50 * 60", who)
  elseif gap and gap > 0 and gap < shortest_gap_s then
    blame.fail("%s: gap_min = %g is %g seconds from a session's end to the next one: for %g min write %g * "
      .. "60", who, gap, gap, gap, gap)
  end
end

local function check_phase(who, phase)
  blame.options(who, phase, phase_known)
  if phase.name ~= nil then
    text_of(who, "name", phase.name)
  end
  for key, highest in in_order.pairs(most) do
    local value = phase[key]
    local is_whole = type(value) == "number" and math.tointeger(value) ~= nil
    if value ~= nil and (not is_whole or value < 1 or value > highest) then
      blame.fail("%s: %s must be a whole number from 1 to %d, not %s", who, key, highest,
        require("moonpulse.text.value_words").shown(value))
    end
  end
  check_gap(who, phase.gap_min)
  if not phase.days and not phase.total then
    blame.fail("%s: it has no end: write days = how many days have sessions, or total = how many sessions",
      who)
  elseif phase.days and phase.total and phase.total > phase.days * phase.per_day then
    blame.fail("%s: %d sessions do not fit on %d days with %d a day", who, phase.total, phase.days,
      phase.per_day)
  end
end

local function check_begins(begins)
  local year, month, day = tostring(begins):match("^(%d%d%d%d)%-(%d%d)%-(%d%d)$")
  local at = year and os.time { year = year, month = month, day = day, hour = 12 }
  if not at or os.date("%Y-%m-%d", at) ~= begins then
    blame.fail("course: begins must be a day that there is, like \"2026-11-30\", not %s",
      require("moonpulse.text.value_words").shown(begins))
  end
end

local function check(spec)
  blame.options("course", spec, known)
  text_of("course", "protocol", spec.protocol)
  for _, key in ipairs { "name", "note", "id" } do
    if spec[key] ~= nil then
      text_of("course", key, spec[key])
    end
  end
  if spec.begins ~= nil then
    check_begins(spec.begins)
  end
  if type(spec.phases) ~= "table" then
    blame.fail("course: phases must be a list, like { { per_day = 10, days = 5, gap_min = 50 * 60 } }, not "
      .. "%s", type(spec.phases))
  end
  lists.check("course", "phases", spec.phases)
  if #spec.phases == 0 or #spec.phases > 1000 then
    blame.fail("course: it has %d phases: from 1 to 1000 are possible", #spec.phases)
  end
  for i, phase in ipairs(spec.phases) do
    check_phase(("course: phase %d"):format(i), phase)
  end
end

--- Declare a course. Raises at the author's line for what is missing, unknown, or cannot be kept.
---@param spec { protocol: string, phases: moonpulse.Phase[], name: string?, begins: string?, note: string?,
---   id: string? } protocol: an id, or the path of a file, from the course's own folder
---@return table
function M.course(spec)
  check(spec)
  return protocols.accept(spec, function()
    local own = protocols.own(spec, known)
    check(own)
    return own
  end)
end

--- Phases with their whole numbers as integers: an author, or a record, may write 6.0.
local function whole(phases)
  local made = {}
  for i, phase in ipairs(phases) do
    made[i] = {}
    for key, value in pairs(phase) do
      made[i][key] = type(value) == "number" and math.tointeger(value) or value
    end
  end
  return made
end

--- What a course in a folder names, from where Moonpulse runs. What is the path of no file is an id.
---@param folder string? with its last slash; nil: the course is where Moonpulse runs
---@param what string
local function from_folder(folder, what)
  local ends_as_file = what:match("%.lua$") or what:match("%.plan$") or what:match("%.lua:[^:]+$")
  if what:sub(1, 1) == "/" or not ends_as_file and not what:find("/", 1, true) then
    return what
  end
  local bare = what:gsub("^%./+", "")
  while bare:find("^%./") do
    bare = bare:gsub("^%./+", "")
  end
  return folder and folder .. bare or ends_as_file and bare or "./" .. bare
end

--- The protocol of a course, with the course.
---@param spec table that a course file returned, with its file and id
---@param find fun(what: string): moonpulse.Protocol?, string? as catalogue.find
---@return moonpulse.Protocol?
---@return string? message
function M.resolve(spec, find)
  local what = from_folder(spec.file:match("^(.*/)[^/]*$"), spec.protocol)
  local found, message = find(what)
  if not found then
    return nil, ("%s: its protocol: %s"):format(spec.file, message)
  elseif type(found.plan) ~= "function" then
    return nil, ("%s: its protocol %s is %s, and a course is of a protocol"):format(spec.file, spec.protocol,
      found.course and "a course" or "an experiment")
  elseif found.course then
    return nil, ("%s: its protocol %s is a course itself: name the protocol"):format(spec.file, spec.protocol)
  end
  local made = {}
  for key, value in pairs(found) do
    made[key] = value
  end
  made.course = { name = spec.name or spec.id, file = spec.file, begins = spec.begins,
    phases = whole(spec.phases) }
  return made
end

--- A course as a record has it, which may be anybody's: checked like a file's.
---@param course any
---@return moonpulse.SessionCourse? nil: it is none
function M.of_record(course)
  local ok = type(course) == "table" and type(course.name) == "string" and pcall(check, { protocol = "x",
    name = course.name, begins = course.begins, phases = course.phases })
  return ok and { name = course.name, begins = course.begins, phases = whole(course.phases) } or nil
end

return M
