--- The globals of specs, for busted: as its own module busted.environment has them, and without a walk up
--- to the outermost block for each name of the program's that no block has set. A spec that computes asks for
--- math and ipairs some million times: with busted's own that was four fifths of its time.
local setfenv = require("busted.compatibility").setfenv

--- Globals of the specs that run in context.
---@param context table of busted: get(), parent(block), get("env") and set("env", names)
---@return { wrap: fun(f: function): function, set: fun(key: string, value: any) } as busted.environment gives
return function(context)
  local is_set = {} -- by name: some block, now or once, has one of its own

  local function find(key)
    local outside = _G[key]
    if outside ~= nil and not is_set[key] then
      return outside
    end
    local block = context.get()
    while block do -- also for what busted itself puts into a test: finally
      local value = block.env and block.env[key]
      if value then
        return value
      end
      block = context.parent(block)
    end
    return outside
  end

  local function set(block, key, value)
    is_set[key] = true
    block.env = block.env or {}
    block.env[key] = value
  end

  local env = setmetatable({}, {
    __index = function(_, key) return find(key) end,
    __newindex = function(_, key, value) set(context.get(), key, value) end,
  })

  return {
    wrap = function(f) return setfenv(f, env) end,
    set = function(key, value) set(context.get(), key, value) end,
  }
end
