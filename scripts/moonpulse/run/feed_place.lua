--- Where the socket of a run's feed is: a path, or a name in a folder of the user's own for what is running.
local core = require "moonpulse.core"
local lfs = require "lfs"

local M = {}

local suffix = ".sock"

--- Is it a folder that nobody else can put anything into?
local function is_own(path)
  local is = lfs.symlinkattributes(path)
  return is ~= nil and is.mode == "directory" and is.uid == lfs.attributes("/proc/self", "uid")
    and is.permissions:sub(4) == "------" -- after its owner's
end

--- Where sockets are that are named by their name alone: $XDG_RUNTIME_DIR/moonpulse, else
--- /tmp/moonpulse-UID.
---@return string
function M.folder()
  local named = os.getenv "XDG_RUNTIME_DIR"
  if named and named:sub(1, 1) == "/" and lfs.attributes(named, "mode") == "directory" then
    return named .. "/moonpulse"
  end
  return ("/tmp/moonpulse-%d"):format(lfs.attributes("/proc/self", "uid"))
end

--- The same, made where it is not there.
---@return string? folder
---@return string? message
function M.make()
  local folder = M.folder()
  if not lfs.symlinkattributes(folder, "mode") then
    local made, message = core.make_folder(folder)
    if not made and not lfs.symlinkattributes(folder, "mode") then
      return nil, ("%s: %s: name a socket elsewhere with --events PATH"):format(folder, message)
    end
  end
  if not is_own(folder) then
    return nil, ("%s must be a folder that is yours alone (chmod 700): put that right, or name a socket "
      .. "elsewhere with --events PATH"):format(folder)
  end
  return folder
end

--- The socket that was named: what has a slash in it is a path, a name is one of the folder.
---@param named string
---@return string
function M.path(named)
  if named:find("/", 1, true) then
    return named
  end
  return ("%s/%s%s"):format(M.folder(), named, named:sub(-#suffix) == suffix and "" or suffix)
end

--- The same for a run that is about to begin: the folder is made for it.
---@param named string? nil: a name of its own
---@param id string of what is run
---@return string? path
---@return string? message
function M.new(named, id)
  if named and named:find("/", 1, true) then
    return named
  elseif named and (named:find("^%.") or named:find "[%c]") then
    return nil, ("a socket cannot be called %q: use letters and digits"):format(named)
  end
  local folder, message = M.make()
  if not folder then
    return nil, message
  end
  return M.path(named or ("%s-%d"):format(id:gsub("[^%w_-]", "_"):sub(1, 40), core.host().pid))
end

--- The sockets of the folder, in the order of their names.
---@return string[] paths
function M.all()
  local folder, list = M.folder(), {}
  if is_own(folder) then
    for name in lfs.dir(folder) do
      local path = folder .. "/" .. name
      if name:sub(-#suffix) == suffix and lfs.symlinkattributes(path, "mode") == "socket" then
        list[#list + 1] = path
      end
    end
    table.sort(list)
  end
  return list
end

return M
