--- The short cut beside the sending thread, in virtual time: most pulses are sent and confirmed as the one
--- before. Once one has gone the long way, the engine counts those like it and writes their rows, until one
--- differs (engine/near_cut.h); here what it did is taken over, as if each had gone the long way. Off unless
--- the run asks for it (a job's cuts.near); short_cuts_spec.lua holds both ways against each other.
local core = require "moonpulse.core"

local M = {}

---@class moonpulse.NearCut
---@field running boolean? the engine takes what is told
local Near = {}
Near.__index = Near

--- For a plan that begins; nil where every pulse goes the long way.
---@param stimulator moonpulse.Stimulator playing
---@return moonpulse.NearCut?
function M.new(stimulator)
  local cuts, record = stimulator.job.cuts, stimulator.record
  local is_virtual, pace = core.is_virtual()
  if not (cuts and cuts.near) or not is_virtual or pace > 0 or record.flight or record.silent
    or io.type(record.file) ~= "file" then
    return nil
  end
  return setmetatable({ stimulator = stimulator, session = stimulator.link.session, record = record }, Near)
end

--- A pulse was sent the long way, and is perhaps the one that is confirmed next.
---@param out moonpulse.core.Told
function Near:sent(out)
  self.action, self.frame, self.known = out.action, out.frame, nil
end

--- Nothing waits, and nothing is wrong: what comes next may be as what was.
local function is_quiet(self)
  local stimulator, record = self.stimulator, self.record
  local listening = stimulator.listening
  if not stimulator.watching or stimulator.finished or stimulator.stopped or stimulator.fault
    or listening.fault or listening.safe_ns or not listening:settled()
    or record.lost or record.cut or (record.spare or 0) > 0 or #record.unsure > 0 then
    return false
  end
  record:advance(core.clock_ns() - record.start_ns)
  return record:is_quiet()
end

--- A reply was heard. Where it has confirmed the last pulse it is known from now on.
---@param bytes string? all that came, which is this reply; nil: other bytes were with it
---@param confirmed boolean
function Near:heard(bytes, confirmed)
  local stimulator, record, action = self.stimulator, self.record, self.action
  if confirmed then -- the last pulse, not one before it
    self.known, self.words = record.first_open > record.last_open and bytes or nil, stimulator.listening.words
  end
  if not self.known or record.trains[action] or not is_quiet(self) then
    return
  end
  local driver, facts, stretch = stimulator.driver, stimulator.facts, record:stretch()
  self.running = self.session:near {
    frame = self.frame, action = action, reply = self.known, columns = record.tails[action],
    words = self.words, proof = record.setting_proof, condition = stretch.condition, trial = stretch.trial,
    block = stretch.block, first = stretch.first, last = stretch.last, per = stretch.per,
    origin_ns = record.start_ns,
    delay_ns = facts.wire_ns[self.frame] + facts.latency_ns, slow_ns = stimulator.slow_ns,
    patience_ns = math.floor(driver.reply_timeout * 1e9), extra = record.extra, index = record.index,
    confirmed = record:answered() - stimulator.starts_before, file = record.file, sum = record.sum,
  }
end

--- What the engine did is taken over. Called by whoever looks at the record or changes it.
---@param goes_on boolean? it does, if nothing has ended it: nobody but the engine goes on meanwhile
function Near:catch_up(goes_on)
  if not self.running then
    return
  end
  local running, contact_ns, written, onset_ns, number, returned_ns, told_ns, message =
    self.session:near_over(goes_on == true)
  self.running = running
  local stimulator, record = self.stimulator, self.record
  if written > 0 then
    record:written(written, onset_ns, number, self.action)
    record:wrote(not message, message)
    stimulator:has_given(self.action, self.frame, returned_ns, told_ns)
  end
  stimulator.contact_ns = math.max(stimulator.contact_ns, contact_ns)
  if running then
    return
  end
  local known = self.known -- of those that wait nothing is new
  local heard, out, then_ns, heard_ns = {}, self.session:near_pending()
  while out do
    stimulator:outcome(out, then_ns)
    heard[#heard + 1] = heard_ns
    out, then_ns, heard_ns = self.session:near_pending()
  end
  for _, at_ns in ipairs(heard) do
    record:confirm(at_ns - record.start_ns, self.words)
  end
  self.known = known
end

return M
