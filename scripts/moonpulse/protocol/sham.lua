--- mp.sham: another protocol's plan with one intensity for every pulse.
local blame = require "moonpulse.text.author_line"
local building = require "moonpulse.compose.context"
local bytes_read = require "moonpulse.text.bytes_read"
local catalogue = require "moonpulse.protocol.catalogue"
local lfs = require "lfs"
local protocols = require "moonpulse.protocol"

-- loaded for who has a sham
local function named_files()
  return require "moonpulse.protocol.named_files"
end

local M = {}

local watched -- the shams that are made meanwhile; nil: nobody asks

---@class moonpulse.NamedSham
---@field of string as it was named
---@field name string of the active protocol
---@field pulses integer

--- The shams that are made while a function goes on, such as one that builds a plan.
---@param call function
---@param ... any
---@return moonpulse.NamedSham[]
---@return any ... what it returns; its error is raised
function M.made_in(call, ...)
  local before, mine = watched, {}
  watched = mine
  local results = table.pack(pcall(call, ...))
  watched = before
  if not results[1] then
    error(results[2], 0)
  end
  return mine, table.unpack(results, 2, results.n)
end

--- The path of a file that a protocol names, and how it is named without an id behind it. Anything else is as
--- it was written. Raises where there is no such file.
local function located(of)
  local path = catalogue.parts(of) or of
  if not (path:match("%.lua$") or path:match("%.plan$")) then
    if named_files().is_record() and lfs.attributes(of) and not catalogue.shipped(of) then
      blame.fail("sham: of: the record does not keep the file %s", named_files().name_of(of))
    end
    return of
  end
  return named_files().located("sham: of", path) .. of:sub(#path + 1), path
end

--- A protocol file may name another one, but open nothing else: not a device, which would see its lines move,
--- nor a text, which an error would quote.
local function check_path(of)
  of = catalogue.parts(of) or of
  local is_named = of:match("%.lua$") or of:match("%.plan$")
  if of:find("/", 1, true) and not is_named then
    blame.fail("sham: of: %s is no protocol file (.lua) or plan file (.plan)", of)
  end
  local mode = is_named and lfs.attributes(of, "mode")
  if mode and mode ~= "file" then
    blame.fail("sham: of: %s is a %s, not a file", of, mode)
  end
end

--- The plan of an active protocol, pulse for pulse, with another intensity: same times, same drawn orders.
--- Raises where the active protocol is not found, is unconfirmed or does not build, and where its order is
--- drawn from a seed that is not known, as outside of a plan function.
---@param spec { of: string, with: string, intensity: moonpulse.Intensity } of: an id or a file's path;
---   with: its parameters, like "trains=10 hz=30"
---@return moonpulse.Plan
function M.plan(spec)
  blame.options("sham", spec, { of = "id or path", with = "text", intensity = "intensity" })
  if building.intensity() then
    blame.fail("sham: a sham of a sham has no schedule: name the active protocol")
  end
  if type(spec.of) ~= "string" then
    blame.fail("sham: of must be an id or a file's path, not %s", type(spec.of))
  end
  local of, named = located(spec.of)
  check_path(of)
  local active, message = catalogue.find(of, named and named:match("[^/]*$"))
  if not active then
    blame.fail("sham: of: %s", message)
  elseif type(active.plan) ~= "function" then
    blame.fail("sham: of: %s has no plan of its own (an experiment decides as it goes): a sham is of a "
      .. "protocol", active.id)
  elseif active.id == "sham" then
    blame.fail("sham: a sham of a sham has no schedule: name the active protocol")
  elseif active.unconfirmed then
    blame.fail("sham: %s is unconfirmed: run it as it is with a sham coil", active.id)
  end
  if named then
    bytes_read.note_named("sham", catalogue.parts(of) or of, named_files().name_of(named))
  end
  local given = {}
  for key, value in spec.with:gmatch "(%w+)=(%S+)" do
    given[key] = value
  end
  local values, plan, drawn
  values, message = protocols.values(active, given)
  if values then
    plan, message, drawn = protocols.build(active, values, building.seed(), spec.intensity)
  end
  if plan and drawn and not building.seed() then
    blame.fail("sham: the order of %s is drawn from the run's seed, which is known only while the plan is "
      .. "made: call mp.sham inside plan = function(p) ... end of mp.protocol", active.id)
  end
  if plan then
    building.note_sham(active.name or active.id)
  end
  if plan and watched then
    watched[#watched + 1] = { of = named_files().name_of(spec.of), name = active.name or active.id,
      pulses = plan:totals().pulses }
  end
  return plan or blame.fail("sham: %s", message)
end

return M
