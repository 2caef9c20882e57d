--- Conformance cases about bytes: commands, explain, decode.
local contract = require "moonpulse.driver.contract"
local in_order = require "moonpulse.text.in_order"

local M = {}

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local function copy_of(dialect)
  local copy = {}
  for key, value in pairs(dialect or {}) do
    copy[key] = value
  end
  return copy
end

--- Read all that buffers hold, joined one after another; asserts what decode and judge promise.
---@return string[] names of the replies
---@return string rest
local function read(kit, buffers, dialect)
  local driver, action, names, rest = kit.driver, kit:action(), {}, ""
  local shown = setmetatable({}, { __tostring = function() return hex(rest) end }) -- for who must say it
  for _, more in ipairs(buffers) do
    rest = rest .. more
    while #rest > 0 do
      local ok, reply, used = pcall(driver.decode, rest, dialect)
      kit:check(ok, "decode raises on %s: %s", shown, tostring(reply))
      kit:check(math.type(used) == "integer", "decode(%s) says it used %s", shown,
        tostring(used))
      if used == 0 then
        kit:check(reply == nil, "decode(%s) gives a reply that took no byte", shown)
        break
      end
      kit:check(used <= #rest and used > 0, "decode(%s) used %d of %d bytes", shown, used, #rest)
      if reply then
        kit:check(driver.replies[reply.name], "decode(%s) gives a reply %q that replies "
          .. "does not list", shown, tostring(reply.name))
        kit:check(reply.name ~= "error" or type(reply.error) == "string",
          "decode(%s): an error without its kind", shown)
        local judged, problem = pcall(driver.judge, reply, action)
        kit:check(judged, "judge raises on the reply %s of %s: %s", reply.name, shown,
          tostring(problem))
        names[#names + 1] = reply.error or reply.name
      end
      rest = rest:sub(used + 1)
    end
  end
  return names, rest
end

local function keeps_contract(kit)
  local problems, model = contract.problems(kit.plain), kit.model
  kit:check(#problems == 0, table.concat(problems, "; "))
  kit:check(type(model.name) == "string" and type(model.description) == "string"
    and type(model.new) == "function", "the simulator needs name, description, serial and new()")
  if type(kit.plain.serial) == "table" then
    for key, value in pairs(kit.plain.serial) do
      kit:check(model.serial[key] == value, "serial.%s is %s in the driver, %s in the simulator", key,
        tostring(value), tostring(model.serial[key]))
    end
  end
  kit:check(not pcall(model.new, { no_such_option = 1 }), "the simulator takes an option it does not know")
  local state = kit:simulator():state()
  kit:check(state.armed ~= nil and math.type(state.pulses) == "integer",
    "simulator:state() must say armed and pulses")
end

local function takes_values(kit)
  for _, name in ipairs(in_order.keys(kit.driver.commands)) do
    local command = kit.driver.commands[name]
    for _ = 1, 60 do
      local values, bytes, problem = kit.chance:command(command)
      if not values then
        local needs_text = false
        for _, spec in ipairs(command.args) do
          needs_text = needs_text or spec[2] == "text"
        end
        kit:check(type(problem) == "table" and needs_text,
          "the command %s takes none of 300 draws inside its specs: %s", name, tostring(problem))
        break -- a text of a form that we cannot guess
      end
      kit:check(type(bytes) == "string", "the command %s makes no bytes", name)
    end
  end
end

--- bad: values that one spec refuses.
local function bad_values(spec)
  if spec[2] == "integer" or spec[2] == "number" then
    return { spec[3] - 1, spec[4] + 1, "abc", 0 / 0 }
  elseif spec[2] == "choice" then
    return { "no such choice" }
  elseif spec[2] == "numbers" then
    return { { spec[4] + 1 }, "1,abc" }
  end
  return {}
end

local function refuses_values(kit)
  for _, name in ipairs(in_order.keys(kit.driver.commands)) do
    local command = kit.driver.commands[name]
    local values = kit.chance:command(command)
    for _, spec in ipairs(values and command.args or {}) do
      local kept = values[spec[1]]
      for _, bad in ipairs(bad_values(spec)) do
        values[spec[1]] = bad
        local ok, problem = pcall(command, values)
        kit:check(not ok, "the command %s takes %s = %s", name, spec[1], tostring(bad))
        kit:check(type(problem) == "table" and tostring(problem):find(spec[1], 1, true),
          "the command %s refuses %s = %s without naming it: %s", name, spec[1], tostring(bad),
          tostring(problem))
      end
      values[spec[1]] = kept
    end
    if values then
      values.no_such_value = 1
      kit:check(not pcall(command, values), "the command %s takes a value it does not know", name)
    end
  end
end

local function explains(kit)
  local driver = kit.driver
  if not driver.explain then
    kit:skip("the driver has no explain")
  end
  for _, name in ipairs(in_order.keys(driver.commands)) do
    for _ = 1, 60 do
      local values, bytes = kit.chance:command(driver.commands[name])
      if not values or bytes == "" then -- an edge of a line has no bytes
        break
      end
      local known, found = driver.explain(bytes, copy_of(values))
      kit:check(known, "explain does not know the bytes of %s: %s (%s)", name, hex(bytes),
        tostring(found))
      kit:check(driver.commands[known], "explain names %q, which is no command", tostring(known))
      local ok, again = pcall(driver.commands[known], found)
      kit:check(ok, "%s is %s, explained as %s, which refuses it: %s", name, hex(bytes), known,
        tostring(again))
      kit:check(again == bytes, "%s is %s, explained as %s it is %s", name, hex(bytes), known,
        hex(again))
    end
  end
end

local function explains_rubbish(kit)
  local driver = kit.driver
  if not driver.explain then
    kit:skip("the driver has no explain")
  end
  local function ask(bytes)
    local ok, name = pcall(driver.explain, bytes, {})
    kit:check(ok, "explain raises on %s: %s", hex(bytes), tostring(name))
    kit:check(name == nil or driver.commands[name], "explain names %q, which is no command",
      tostring(name))
  end
  ask ""
  for _, name in ipairs(in_order.keys(driver.commands)) do
    local values, bytes = kit.chance:command(driver.commands[name])
    for length = 1, values and #bytes or 0 do
      ask(bytes:sub(1, length))
      ask(kit.chance:damage(bytes))
    end
  end
  for _ = 1, 500 do
    ask(kit.chance:bytes(kit.chance:draw(1, 40)))
  end
end

local function random_bytes(kit)
  local replies, dialect = kit:harvest()
  local spice = table.concat(replies)
  for _ = 1, 1500 do
    local buffers = {}
    for i = 1, kit.chance:draw(1, 4) do
      buffers[i] = kit.chance:bytes(kit.chance:draw(1, 30), spice)
    end
    read(kit, buffers, copy_of(dialect))
    read(kit, buffers, {}) -- a dialect may be empty
  end
end

local function some_replies(kit)
  kit:needs_replies()
  local replies, dialect = kit:harvest()
  if #replies == 0 then
    kit:skip("the device never answers")
  end
  return replies, dialect
end

local function waits(kit)
  local replies, dialect = some_replies(kit)
  for _, bytes in ipairs(replies) do
    for length = 1, #bytes - 1 do
      local part = bytes:sub(1, length)
      local reply, used = kit.driver.decode(part, copy_of(dialect))
      kit:check(not reply or reply.name == "error", "%s is the beginning of the reply %s, and decoded "
        .. "as %s", hex(part), hex(bytes), reply and reply.name)
      kit:check(reply or used == 0, "decode(%s) gives nothing, and used %d bytes", hex(part), used)
    end
  end
end

local function same(kit, what, wanted, found)
  wanted, found = table.concat(wanted, " "), table.concat(found, " ")
  kit:check(wanted == found, "%s: %s instead of %s", what, found, wanted)
end

--- The replies when each comes by itself; what one says may tell how the next is to be read.
local function one_by_one(kit, replies, dialect)
  return (read(kit, replies, copy_of(dialect)))
end

local function merged(kit)
  local replies, dialect = some_replies(kit)
  same(kit, "replies that come at once", one_by_one(kit, replies, dialect),
    (read(kit, { table.concat(replies) }, copy_of(dialect))))
end

local function split(kit)
  local replies, dialect = some_replies(kit)
  local wanted, whole = one_by_one(kit, replies, dialect), table.concat(replies)
  for _ = 1, 200 do
    local pieces, at = {}, 1
    while at <= #whole do
      local length = kit.chance:draw(1, 7)
      pieces[#pieces + 1] = whole:sub(at, at + length - 1)
      at = at + length
    end
    same(kit, "replies in pieces", wanted, (read(kit, pieces, copy_of(dialect))))
  end
  local single = {}
  for i = 1, #whole do
    single[i] = whole:sub(i, i)
  end
  same(kit, "replies byte by byte", wanted, (read(kit, single, copy_of(dialect))))
end

local function behind_noise(kit)
  local replies, dialect = some_replies(kit)
  for _, bytes in ipairs(replies) do
    local wanted = kit.driver.decode(bytes, copy_of(dialect)).name
    for _ = 1, 20 do
      local noise = kit.chance:bytes(kit.chance:draw(1, 4))
      -- a length byte in the noise may swallow replies; it must not swallow them for ever
      local buffer = noise .. bytes:rep(40 // #bytes + 3)
      kit:check(kit:holds((read(kit, { buffer }, copy_of(dialect))), wanted),
        "behind the noise %s the reply %s is never found again", hex(noise), hex(bytes))
    end
  end
end

local function damaged(kit)
  local replies, dialect = some_replies(kit)
  for _ = 1, 1500 do
    local buffers = {}
    for i = 1, 3 do
      buffers[i] = replies[kit.chance:draw(1, #replies)]
    end
    local place = kit.chance:draw(1, 3)
    buffers[place] = kit.chance:damage(buffers[place])
    read(kit, buffers, copy_of(dialect))
  end
end

local function fields_known(kit)
  local replies, dialect = some_replies(kit)
  for _, bytes in ipairs(replies) do
    local reply = kit.driver.decode(bytes, copy_of(dialect))
    local known = { name = true, bytes = true, text = true }
    for _, item in ipairs(kit.driver.replies[reply.name]) do
      known[item:match("^[%w_]+")] = true
    end
    for key, value in pairs(reply) do
      kit:check(known[key], "the reply %s has a field %s that replies does not list", reply.name, key)
      kit:check(type(value) == "string" or type(value) == "number",
        "the field %s of %s is a %s: fields are numbers and text", key, reply.name, type(value))
    end
  end
end

M.cases = {
  { "the driver keeps its contract, and so does the simulator", keeps_contract },
  { "every command takes values inside its specs", takes_values },
  { "every command refuses values outside them, by name", refuses_values },
  { "explain names every command, and its bytes come back", explains },
  { "explain never raises on what is no command", explains_rubbish },
  { "decode and judge never raise or stall on random bytes", random_bytes },
  { "decode waits for a reply that is not whole", waits },
  { "decode reads replies that come at once, one by one", merged },
  { "decode reads replies that come in pieces", split },
  { "decode finds the next reply behind noise", behind_noise },
  { "decode and judge survive damaged replies", damaged },
  { "every field of a reply is listed in replies", fields_known },
}

return M
