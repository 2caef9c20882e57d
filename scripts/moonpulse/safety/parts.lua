--- The parts of plans, as who walks many plans looks at them: plans that are judged by the thousand have most
--- of their parts in common, and what is known of a part is looked up once.
local M = {}

---@class moonpulse.WalkedPart what is known of one node of a plan; nobody changes it
---@field plan moonpulse.Plan
---@field kind string as view().kind; so are count, text, intensity, reference and origin
---@field every number? of a repetition: seconds from onset to onset; nil: not known exactly
---@field ids (integer|false)[] of its parts; false: without a pulse
---@field spans number[] of its parts, in seconds
---@field channels table<string, boolean> that its pulses go to; "": to the one that is around it
---@field plain boolean nothing in it is side by side, and all that repeats has its time

-- By id. A part holds its plan, so that the id is its own; it is gone when nobody looks at it.
local known = setmetatable({}, { __mode = "v" })

local INHERITED = { [""] = true }

local function seconds(text)
  local num, den = text:match("^(%-?%d+)/(%d+)$")
  return tonumber(num) / tonumber(den)
end

local function copy_of(set)
  local made = {}
  for name in pairs(set) do
    made[name] = true
  end
  return made
end

--- What its parts say of it: their channels, and whether each is plain.
local function look_inside(part)
  local channels, plain = nil, part.kind ~= "parallel" and (part.kind ~= "repeat" or part.every ~= nil)
  local own = false -- channels: else it is a part's, which most have in common
  for i, id in ipairs(part.ids) do
    local inner = id and M.child(part, i)
    channels, plain = channels or inner and inner.channels, plain and (not inner or inner.plain)
    for name in pairs(inner and inner.channels ~= channels and inner.channels or {}) do
      if not channels[name] then
        channels, own = own and channels or copy_of(channels), true
        channels[name] = true
      end
    end
  end
  if part.kind == "channel" and channels and channels[""] then
    channels = copy_of(channels)
    channels[""], channels[part.text] = nil, true
  end
  part.channels, part.plain = channels or {}, plain
end

--- What is known of a plan's node.
---@param plan moonpulse.Plan
---@return moonpulse.WalkedPart
function M.of(plan)
  local id = plan:id()
  local part = known[id]
  if part then
    return part
  end
  local view = plan:view()
  part = { plan = plan, kind = view.kind, count = view.count, text = view.text, intensity = view.intensity,
    reference = view.reference, origin = view.origin, every = view.exact_every and seconds(view.exact_every) }
  if view.kind == "pulse" then
    part.channels, part.plain, part.keys = INHERITED, true, {}
  else
    part.ids, part.spans = plan:parts()
    look_inside(part)
  end
  known[id] = part
  return part
end

--- A part of it that has pulses.
---@param part moonpulse.WalkedPart
---@param i integer
---@return moonpulse.WalkedPart
function M.child(part, i)
  return known[part.ids[i]] or M.of(part.plan:child(i))
end

--- How a pulse on a channel is told from others: by its intensity, too.
---@param part moonpulse.WalkedPart a pulse
---@param channel string
---@return string
function M.key(part, channel)
  local key = part.keys[channel]
  if not key then
    key = ("%s\0%.9g\0%s"):format(channel, part.intensity, part.reference)
    part.keys[channel] = key
  end
  return key
end

return M
