--- Stretches of a run in virtual time in which nothing new happens, played by the engine.
--
-- Most pulses are like the one before: the same bytes, the same reply, one more row. Where the
-- twin says so itself (its method steady) and the driver says what the reply means, the engine
-- plays on until something is different. Everything else takes the way through twin and driver.
local core = require "moonpulse.core"
local refusals = require "moonpulse.text.refusal"
local witness = require "moonpulse.simulation.witness"

local M = {}

local Stretch = {}
Stretch.__index = Stretch

local LONGEST = 65536 -- pulses at once: between them a stop is heard
-- Back off: after a stretch shorter than SHORT, send 1, 3, 7 ... up to PAUSE pulses through Lua before
-- trying again.
local SHORT, PAUSE = 4, 64

--- Only bytes on the wire that the twin answers at once: no line, no second part, no train, no
--- keep-alive.
local function plain(job, link)
  if link.ticks or job.driver.confirms == false then
    return false
  end
  for _, frame in ipairs(job.lowering:frames()) do
    for key, value in pairs(frame) do
      if value and key ~= "bytes" and key ~= "wire_ns" then
        return false
      end
    end
  end
  return true
end

--- Where object has key from: itself or one that it inherits from.
local function owner(object, key)
  while type(object) == "table" and rawget(object, key) == nil do
    object = (getmetatable(object) or {}).__index
  end
  return object
end

--- True if steady() and receive() come from the same object, that is, no wrapper sits between.
local function speaks_for_itself(twin)
  return twin.steady and owner(twin, "steady") == owner(twin, "receive")
end

--- For a run; nil where all of it goes the long way.
---@param job table
---@param link table the virtual one
---@param record table
---@param start_ns integer of the plan
---@return table? stretch with player, which gives the frames that the engine does not play
function M.new(job, link, record, start_ns)
  if not speaks_for_itself(link.twin) or not plain(job, link) then
    return nil
  end
  local latency_ns = math.floor(job.driver.latency * 1e9)
  local frames = {}
  for i, frame in ipairs(job.lowering:frames()) do
    frames[i] = frame.bytes
  end
  return setmetatable({
    driver = job.driver, link = link, record = record, frames = frames,
    latency_ns = latency_ns, start_ns = start_ns, wait = 0, pause = 0,
    patience_ns = math.floor(job.driver.reply_timeout * 1e9),
    player = core.player(job.lowering, record.tails, start_ns, latency_ns, record.setting_proof),
  }, Stretch)
end

--- What steady's reply means to the driver: the record's text where it confirms a pulse as it was set.
function Stretch:meaning(steady, listening)
  local driver = self.driver
  if steady.reply_ns > self.patience_ns then
    return nil
  end
  local reply, used = driver.decode(steady.reply, self.link.dialect)
  if not reply or used ~= #steady.reply then
    return nil
  end
  local verdict, text, value, unlike = driver.judge(reply, listening.told, driver.settings)
  if verdict ~= "confirm" or unlike
    or listening.given:compare(listening.told, value, self.record.last_number + 1) then
    return nil -- the long way, too, finds what does not fit
  end
  return text
end

--- Pulses whose reply is still on its way: their rows and replies, as if they had gone the long way.
function Stretch:take_pending(steady)
  local record, link = self.record, self.link
  local number, onset_ns, at_ns, action = self.player:pending()
  while number do
    record:pulse(number, onset_ns, at_ns + self.latency_ns - self.start_ns, 0, action, at_ns)
    link:enqueue { { at_ns = at_ns + steady.reply_ns, bytes = steady.reply } }
    number, onset_ns, at_ns, action = self.player:pending()
  end
end

--- A plan of short stretches is better off without them.
function Stretch:rest(played)
  self.pause = played < SHORT and math.min(2 * self.pause + 1, PAUSE) or 0
  self.wait = self.pause
end

--- Play the pulse that the player gave last, which sends frame, and those like it after it.
---@param frame integer
---@param listening moonpulse.Listening settled
---@return integer played 0: this pulse, too, goes the long way
function Stretch:play(frame, listening)
  if self.wait > 0 then
    self.wait = self.wait - 1
    return 0
  end
  local record, link = self.record, self.link
  if not record:is_quiet() or not link:is_quiet() then
    return 0
  end
  local steady = link.twin:steady(self.frames[frame])
  local text = steady and steady.log and self:meaning(steady, listening)
  if not text then
    self:rest(0)
    return 0
  end
  local played, written, onset_ns = self.player:play(record.file, record.index, text, steady, LONGEST,
    link.log, witness.tail(steady.log), record.sum)
  if not played then
    refusals.fault(written)
  end
  if played > 0 then
    link.twin:passed(steady, played)
    link.now_ns = steady.last_ns
    record:written(written, onset_ns)
    self:take_pending(steady)
  end
  self:rest(played)
  return played
end

return M
