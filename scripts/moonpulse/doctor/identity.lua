--- Who this process is and what it may do, from /proc/self, /etc/passwd and /etc/group.
local M = {}

local function limit(text, name)
  local soft = text and text:match("\n" .. name .. "%s+(%S+)")
  return soft and (soft == "unlimited" and math.huge or tonumber(soft))
end

local function groups_of(files)
  local groups = {}
  for line in (files:text("/etc/group") or ""):gmatch("[^\n]+") do
    local name, gid, members = line:match("^([^:]+):[^:]*:(%d+):(.*)$")
    if name then
      local set = {}
      for member in members:gmatch("[^,]+") do
        set[member] = true
      end
      groups[tonumber(gid)] = { name = name, members = set }
    end
  end
  return groups
end

local function user_name(files, uid)
  for line in (files:text("/etc/passwd") or ""):gmatch("[^\n]+") do
    local name, id = line:match("^([^:]+):[^:]*:(%d+):")
    if tonumber(id) == uid then
      return name
    end
  end
end

---@class moonpulse.doctor.Identity
---@field pid integer?
---@field uid integer? effective
---@field user string name, or "$USER" where it is not known
---@field gids table<integer, true>
---@field groups table<integer, table> of the host: { name, members }
---@field capabilities integer? effective
---@field rtprio number? soft limit
---@field memlock number? soft limit, bytes

--- Who this process is and what it may do, as the kernel says in /proc/self.
---@param files moonpulse.doctor.Files
---@return moonpulse.doctor.Identity
function M.of(files)
  local status = "\n" .. (files:text("/proc/self/status") or "")
  local limits = files:text("/proc/self/limits")
  local function number(pattern)
    return tonumber((status:match(pattern)))
  end
  local gids = {}
  for gid in (status:match("\nGroups:([^\n]*)") or ""):gmatch("%d+") do
    gids[tonumber(gid)] = true
  end
  local gid = number("\nGid:%s*%d+%s+(%d+)")
  if gid then
    gids[gid] = true
  end
  local uid = number("\nUid:%s*%d+%s+(%d+)")
  local capabilities = status:match("\nCapEff:%s*(%x+)")
  return {
    pid = number("\nPid:%s*(%d+)"), uid = uid, user = uid and user_name(files, uid) or "$USER",
    gids = gids, groups = groups_of(files),
    capabilities = capabilities and tonumber(capabilities, 16),
    rtprio = limit(limits, "Max realtime priority"), memlock = limit(limits, "Max locked memory"),
    cpus = status:match("\nCpus_allowed_list:%s*(%S+)"),
  }
end

local bits = { dac_override = 1, ipc_lock = 14, sys_nice = 23 }

--- Does it hold the capability? nil when that is not known.
---@param identity moonpulse.doctor.Identity
---@param name "dac_override"|"ipc_lock"|"sys_nice"
function M.holds(identity, name)
  return identity.capabilities and identity.capabilities >> bits[name] & 1 == 1
end

--- The group whose members may use serial ports on this host.
---@param identity moonpulse.doctor.Identity
---@return string
function M.port_group(identity)
  local found = "dialout"
  for _, group in pairs(identity.groups) do
    if group.name == "dialout" then
      return group.name
    elseif group.name == "uucp" then
      found = group.name
    end
  end
  return found
end

return M
