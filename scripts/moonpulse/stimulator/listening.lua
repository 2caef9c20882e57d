--- What a device's replies mean while it is armed: which pulse one confirms, and whether the device is at
--- the settings that it was told. Runs in real and in virtual time listen through this.
--
-- A setting is believed only when the device says so (a driver's `tells`). What encode.set names as changed
-- is unknown from the moment at which it was sent, and known again by a reply that came later: a lost or
-- damaged one never counts, nor does one that was there before.
local givens = require "moonpulse.record.given"
local outputs = require "moonpulse.driver.outputs"
local patiences = require "moonpulse.stimulator.patience"
local unanswered = require "moonpulse.stimulator.unanswered"

local M = {}

local most_recent = 16 -- answers to one setting and more: some devices confirm it in several

local lost = ": was the setting lost on a loose cable, or was it changed on the front panel?"

---@class moonpulse.Listening
---@field told moonpulse.Action? what the device was told last; nil: it is not armed
---@field outputs table<integer, moonpulse.Action> what each of its outputs was set to last
---@field settings integer how many settings of plans were sent since arming
---@field fault string? the first thing that is wrong
---@field words string? of the last confirmation
---@field external (fun(at_ns: integer, text: string, value: integer?, wrong: string?): boolean)? takes pulses
---   that something else fires, as long as they are waited for
---@field dialect table what the driver noted of the device, as its link keeps it for decode
local Listening = {}
Listening.__index = Listening

--- Who listens to a device that has said nothing yet.
---@param driver moonpulse.Driver
---@param record moonpulse.Record
function M.new(driver, record)
  return setmetatable({ slow_ns = patiences.ns(driver, driver.reply_slow or driver.reply_timeout),
    driver = driver, record = record, given = givens.new(driver.measures), open = {},
    times = {}, wrong = {}, recent = {}, heard = 0, settings = 0, safes = 0, held = {}, dialect = {} },
    Listening)
end

--- The device is armed at action: the driver has set it, and read it back.
---@param action moonpulse.Action
---@param limits moonpulse.Limits of the device
---@param firsts moonpulse.First[]? what each of its outputs was brought to; nil: action, the one it goes to
function Listening:armed(action, limits, firsts)
  self.told, self.settings, self.limits, self.outputs = action, 0, limits, {}
  for _, each in ipairs(firsts or {}) do
    self.outputs[each.output] = each.action
  end
  outputs.follow(self.outputs, outputs.of(limits, action), action)
  self.open, self.times, self.wrong, self.recent, self.heard = {}, {}, {}, {}, 0
  self.safes, self.safe_ns, self.held, self.external = 0, nil, {}, nil
end

--- The safe frame was handed to the port at at_ns, times over. Its answer may look like a pulse's (a
--- driver's `safe_answer`): answers come in order, so the last ones are its own.
---@param at_ns integer
---@param times integer
function Listening:safe(at_ns, times)
  self.safes, self.safe_ns = self.safes + times, self.safe_ns or at_ns
end

--- A reply after the safe frame: it, or the one before it that was held; nil where it must wait for the
--- next one to know whose it is.
local function in_turn(self, reply, at_ns)
  if not self.safe_ns or at_ns <= self.safe_ns or reply.name ~= self.driver.safe_answer then
    return reply, at_ns
  end
  table.insert(self.held, { reply, at_ns })
  if #self.held > self.safes then
    return table.unpack(table.remove(self.held, 1))
  end
end

--- What reply, which came at at_ns, says about the settings.
local function learn(self, reply, at_ns)
  local driver = self.driver
  for field, verdict in pairs(driver.tells(reply, self.told, driver.settings, self.dialect) or {}) do
    local since_ns = self.open[field]
    local early = since_ns and at_ns <= since_ns -- it was there before the setting was
    if not early and verdict == true then
      self.times[field] = (self.times[field] or 1) - 1
      if self.times[field] <= 0 then
        self.open[field] = nil
      end
      self.wrong[field] = nil
    elseif not early and not self.wrong[field] then
      self.wrong[field] = { text = verdict, at_ns = at_ns }
    end
  end
end

--- What was heard after at_ns counts: an answer may be heard before we hear that its setting was sent.
local function learn_recent(self, at_ns)
  for number = math.max(1, self.heard - most_recent + 1), self.heard do
    local heard = self.recent[number % most_recent]
    if heard.at_ns > at_ns then
      learn(self, heard.reply, heard.at_ns)
    end
  end
end

--- What the output that action goes to was set to last; where it was not, what the device was told last.
---@param action moonpulse.Action
---@return moonpulse.Action
function Listening:before(action)
  return self.outputs[outputs.of(self.limits, action)] or self.told
end

--- A pulse of action was sent: its output is at it.
---@param action moonpulse.Action
function Listening:gave(action)
  outputs.follow(self.outputs, outputs.of(self.limits, action), action)
end

--- A setting was handed to the port at at_ns: from now on action is what the device must confirm.
---@param action moonpulse.Action
---@param at_ns integer when its write began
---@param of_plan boolean? one of a plan's, which the engine counts
---@return number lead seconds in which the device follows it
function Listening:tell(action, at_ns, of_plan)
  local _, lead, fields = self.driver.encode.set(self:before(action), action)
  self.told = action
  self:gave(action)
  self.settings = self.settings + (of_plan and 1 or 0)
  self.times = {}
  for _, field in ipairs(self.driver.tells and fields or {}) do
    self.open[field], self.wrong[field] = at_ns, nil
    self.times[field] = (self.times[field] or 0) + 1 -- so many answers, one to each message
  end
  learn_recent(self, at_ns)
  return lead
end

--- The question of a driver's encode.ask was handed to the port at at_ns: its answer comes once the device
--- has all that was sent before.
---@param at_ns integer when its write began
---@param of_plan boolean? one of a plan's, which the engine counts
function Listening:ask(at_ns, of_plan)
  local _, _, field = self.driver.encode.ask()
  self.asked = field
  self.settings = self.settings + (of_plan and 1 or 0)
  self.open[field], self.wrong[field], self.times[field] = at_ns, nil, 1
  learn_recent(self, at_ns)
end

--- Has the device confirmed all that it was told, and nothing else since?
function Listening:settled()
  return next(self.open) == nil and next(self.wrong) == nil
end

--- Settings in words that the device has not confirmed, and what to do.
---@return string
function Listening:unsettled()
  if self.asked and self.open[self.asked] then
    return ("the stimulator did not answer in time what it was asked after the pulse before, so nobody "
      .. "knows when it had that: %s"):format(unanswered.cause(self.driver,
      "did the line or this computer stall, is the cable sound and fully plugged in?"))
  end
  local texts, fields = {}, {}
  for _, wrong in pairs(self.wrong) do
    texts[#texts + 1] = wrong.text
  end
  for field in pairs(self.open) do
    fields[#fields + 1] = field
  end
  table.sort(texts)
  table.sort(fields)
  if #texts > 0 then
    return table.concat(texts, ", and ") .. lost
  end
  return ("the stimulator did not confirm %s for %g %%MSO: %s"):format(table.concat(fields, ", "),
    self.told.mso, unanswered.cause(self.driver, "the setting or its answer was lost or garbled: is the "
      .. "cable sound and fully plugged in?"))
end

--- A setting that the device contradicts for longer than patience_ns, in words.
---@param waited_ns fun(since_ns: integer): integer as moonpulse.stimulator.patience has it
---@param patience_ns integer
---@return string?
function Listening:contradicted(waited_ns, patience_ns)
  local first -- of several the same one in every run
  for field, wrong in pairs(self.wrong) do
    if waited_ns(wrong.at_ns) > patience_ns and (not first or field < first) then
      first = field
    end
  end
  return first and self.wrong[first].text .. lost
end

--- A confirmation that says which output it is of: the pulses before it got none, and never will.
---@return boolean nobodys no pulse of that output waits for one
---@return (fun(action: moonpulse.Action): boolean)? may_be_of which pulses it may be of; nil: any
local function turn_to(self, reply)
  local output = self.limits and self.driver.confirms_for and self.driver.confirms_for(reply)
  if not output then
    return false
  end
  local record, limits = self.record, self.limits
  local function may_be_of(action) return outputs.of(limits, action) == output end
  local found, missed = record:turn_to(may_be_of)
  if missed then
    local number, _, _, action = record:oldest_open()
    self.fault = self.fault or ("%s was not confirmed, but %s, which was sent after it, was: %s"):format(
      unanswered.pulse(limits, missed.pulse, missed.action), unanswered.pulse(limits, number, action),
      unanswered.cause(self.driver, "did the line or this computer stall, so that both came at once?"))
  end
  return not found, may_be_of
end

--- A pulse that something else fired, while it is waited for: is it as the device was set?
---@return boolean taken
local function from_outside(self, at_ns, said)
  local wrong = said.wrong or not self:settled() and self:unsettled()
    or self.given:compare(self.told, said.value, self.record.last_number + 1)
  if not self.external(at_ns, said.text, said.value, wrong) then
    return false
  end
  self.fault = self.fault or wrong and wrong .. ": look at the stimulator before you go on" or nil
  return true
end

--- A confirmation: of the pulse that waits for it, or of one that nobody sent.
local function confirm(self, at_ns, action, pulse, said)
  if self.external and from_outside(self, at_ns, said) then
    return
  end
  local record, text, value = self.record, said.text, said.value
  local unlike = action and not record.doubted and (said.unlike
    and givens.words(pulse, said.unlike) or self.given:compare(action, value, pulse))
  if not said.nobodys and record.start_ns
    and record:confirm(at_ns - record.start_ns, text, value, unlike and "otherwise", said.may_be_of) then
    self.fault = self.fault or unlike and unlike .. ": look at the stimulator before you go on" or nil
    self.words = text
    return "confirmed"
  end
  record:unasked(at_ns, text, value)
  self.fault = self.fault or ("the device reports a pulse that was not sent (%s): does a pedal, a trigger "
    .. "or its panel fire it (only stim:watch in an experiment waits for such pulses)%s?"):format(text,
    self.told and "" or ", or was a run on this port killed a "
    .. "moment ago, whose pulse it is (then start again)")
end

--- Did a single pulse wait for longer than any usual reply takes? Then this may be the next one's.
local function is_late(self, at_ns)
  local pulse, since_ns, by_device = self.record:oldest_open()
  return pulse ~= nil and not by_device and patiences.waited_ns(since_ns, at_ns) > self.slow_ns
end

--- Take a reply.
---@param reply moonpulse.Reply
---@param at_ns integer when it came
---@param armed boolean it is armed for good, and was not stopped: else only pulses count
---@return "confirmed"|nil
function Listening:hear(reply, at_ns, armed)
  local record, driver = self.record, self.driver
  reply, at_ns = in_turn(self, reply, at_ns)
  if not reply then
    return nil
  end
  local doubtful = self.fault ~= nil -- one was lost, or one too many came: not surely the oldest's
  local nobodys, may_be_of = turn_to(self, reply)
  -- a confirmation is judged by the pulse that it belongs to: the device may have been told more since
  local action, pulse = record:awaits(at_ns)
  local verdict, text, value, unlike = driver.judge(reply, action or armed and self.told or nil,
    driver.settings, self.dialect)
  if armed and driver.tells then
    self.heard = self.heard + 1
    self.recent[self.heard % most_recent] = { reply = reply, at_ns = at_ns }
    learn(self, reply, at_ns)
  end
  if verdict == "confirm" then
    if doubtful or is_late(self, at_ns) then
      record:in_doubt()
    end
    return confirm(self, at_ns, action, pulse, { text = text, value = value, unlike = unlike,
      nobodys = nobodys, may_be_of = may_be_of })
  elseif verdict == "going" and record.start_ns then
    record:going(patiences.said_ns(driver, at_ns))
  elseif verdict == "refused" and pulse then -- and what comes later is not its confirmation
    record:unconfirmed_row()
  end
  if verdict == "fault" and value and self.external then -- it was given, and is none of those that are due
    from_outside(self, at_ns, { text = driver.confirmation(value), value = value, wrong = text })
  end
  if (verdict == "fault" or verdict == "refused") and armed then
    self.fault = self.fault or text
  end
end

return M
