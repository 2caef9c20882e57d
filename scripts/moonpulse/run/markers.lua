--- What a run gives, as a stream of markers over LSL (--lsl): docs/lsl.md. Everything is the loop's: nothing
--- here waits, and who does not take its samples loses them.
local core = require "moonpulse.core"
local escapes = require "moonpulse.text.escapes"
local numbers = require "moonpulse.text.numbers"
local refusals = require "moonpulse.text.refusal"

local M = {}

local patience_s, most_s = 0.25, 1 -- at the end, for who has not taken everything yet
local most_name, most_text = 64, 900 -- bytes; of a text, before a code comes behind it

---@class moonpulse.Markers
---@field outlet moonpulse.core.Outlet
---@field name string of the stream
---@field all boolean for other computers too
---@field run string? the run's name, once it has one
---@field uid string? with run
---@field start_ns integer? of the run, monotonic
---@field codes moonpulse.PlanCodes? of the plan that is played, where it has some
---@field facts_at_end table? once it is over
local Markers = {}
Markers.__index = Markers

--- Read what --lsl says; for argparse.
---@param name string
---@return string?
---@return string? message
function M.parse(name)
  if #name == 0 or #name > most_name or escapes.shown(name) ~= name or name:find "['\"/]" then
    return nil, ("--lsl %s: a stream's name has 1 to %d bytes, no quotes and no slashes"):format(
      escapes.shown(name), most_name)
  end
  return name
end

--- Have the ports. Leaves with exit status 2 where that cannot be.
---@param name string? of the stream; nil: Moonpulse
---@param all boolean for other computers too
---@return moonpulse.Markers
function M.open(name, all)
  local outlet, message = core.lsl(all)
  if not outlet then
    refusals.raise("usage", "--lsl: %s; does another program hold it for itself?", message)
  end
  return setmetatable({ outlet = outlet, name = name or "Moonpulse", all = all }, Markers)
end

--- The run has its folder: the stream is there from now on.
---@param context moonpulse.Context
function Markers:begin(context)
  self.run = context.record.folder:match "([^/]+)$"
  local uid, message = self.outlet:serve(self.name, self.run, core.version)
  if not uid then
    refusals.raise("limit", "--lsl: %s; nothing was sent", message)
  end
  self.uid = uid
  context.record.markers, context.job.markers = self, self
end

--- How many receive it now.
---@return integer
function Markers:receivers()
  return (self.outlet:counts())
end

-- What is told ----------------------------------------------------------------------------------------------

--- A sample of at_ns (from the run's start): "pulse SICI channel=left code=7".
local function push(self, at_ns, kind, text, code, channel)
  if self.facts_at_end then -- it is over
    return
  end
  local parts = { kind }
  parts[#parts + 1] = text and escapes.shortened(text, most_text)
  parts[#parts + 1] = channel and "channel=" .. channel
  parts[#parts + 1] = code and ("code=%d"):format(code)
  self.outlet:push(self.start_ns + at_ns, table.concat(parts, " "))
end

--- The run's clock begins at start_ns (monotonic): onset 0 of its record.
---@param start_ns integer
function Markers:start(start_ns)
  self.start_ns = start_ns
  push(self, 0, "start", self.run)
end

--- A plan is about to be played: its pulses are counted on from the last one.
---@param plan moonpulse.Plan
---@param seed integer
---@param last_number integer of the last pulse before it
function Markers:plays(plan, seed, last_number)
  self.codes = plan:totals().coded and require("moonpulse.run.plan_codes").new(plan, seed) or nil
  self.before = last_number
end

local function code_of(self, kind, number)
  return self.codes and number and self.codes:of(kind, number)
end

--- A pulse was sent, or was given by a train of the device's own or by something outside.
---@param row moonpulse.Row
---@param is_part boolean? of one of several devices: its channel is told
function Markers:pulse(row, is_part)
  local condition = row.condition ~= "pulse" and row.condition or nil -- that is one without a name
  push(self, row.sent_ns or row.due_ns or row.confirmed_ns,
    row.status == "perhaps_sent" and "perhaps_sent" or "pulse", condition,
    code_of(self, "pulse", row.pulse - (self.before or 0)), is_part and row.action.channel or nil)
end

--- A row that is to come in events.tsv, told as soon as it is known.
---@param row moonpulse.Row
---@param is_part boolean? of one of several devices
function Markers:row(row, is_part)
  if row.event == "mark" then
    push(self, row.planned_ns, "mark", row.told or row.reply, row.code or code_of(self, "mark", row.mark))
  elseif row.event == "unasked_pulse" then
    push(self, row.confirmed_ns, "unasked_pulse")
  elseif row.event == "pulse" and (row.sent_ns or row.timed_by == "external") then
    self:pulse(row, is_part)
  end
end

--- What the record of one of several devices tells: as that of a run, but for its start, which is the run's.
---@return table
function Markers:of_part()
  return { start = function() end, row = function(_, row) self:row(row, true) end,
    pulse = function(_, row) self:pulse(row, true) end }
end

-- The end ---------------------------------------------------------------------------------------------------

--- What the manifest says of it.
---@return table
function Markers:facts()
  local facts = { name = self.name, uid = self.uid, on = self.all and "all" or "lo" }
  for key, value in pairs(self.facts_at_end or {}) do
    facts[key] = value
  end
  return facts
end

--- The run is over: who receives gets the rest, and the stream ends.
---@param reason string? the name of its stop; nil: it did not begin
function Markers:finish(reason)
  if self.facts_at_end then
    return
  end
  if self.start_ns then
    push(self, core.clock_ns() - self.start_ns, "stop", reason or "error")
  end
  self.outlet:finish(patience_s, most_s)
  local _, most, samples, lost, refused = self.outlet:counts()
  self.facts_at_end = { samples = samples, receivers = most, lost = lost, refused = refused }
  self.outlet:close()
  if lost > 0 then
    io.stderr:write(("moonpulse: note: --lsl: %s did not get to who had connected for them: they were not "
      .. "taken in time, or the connection broke\n"):format(numbers.counted(lost, "sample")))
  end
  if refused > 0 then
    io.stderr:write(("moonpulse: note: --lsl: %s not taken in, as 32 programs were connected\n"):format(
      refused == 1 and "a program was" or numbers.count(refused) .. " programs were"))
  end
end

return M
