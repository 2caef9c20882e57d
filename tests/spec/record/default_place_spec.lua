--- Where records lie: one place, whatever folder a command is started in; and none of the sessions that lie
--- where they lay before is forgotten.
local cjson = require "cjson"
local lfs = require "lfs"
local shell = require "shell"

local folder, program

before_each(function()
  folder = shell.folder()
  program = shell.absolute
end)

after_each(function()
  shell.remove(folder)
end)

--- A command, started in folder/inside with only the environment that is given; an hour ago is today.
local function sh(inside, environment, command)
  lfs.mkdir(folder .. "/" .. inside)
  return shell.sh(folder, ("cd %s/%s && exec env -u MOONPULSE_RUNS -u XDG_DATA_HOME -u SUDO_UID %s %s %s")
    :format(shell.quote(folder), inside, shell.midday(), environment, command))
end

local function moonpulse(inside, environment, arguments)
  return sh(inside, environment, shell.quote(program) .. " " .. arguments)
end

local function place(inside, environment)
  shell.write(folder .. "/place.lua", [[print(require("moonpulse.record.default_place").folder())]])
  local status, out, err = moonpulse(inside, environment, "lua ../place.lua")
  assert.are.equal(0, status, err)
  return out:match "^(.-)\n"
end

--- A run of P07 on a real device, in folder/inside.
local function earlier(inside, name, pulses)
  local path = ("%s/%s/%s"):format(folder, inside, name)
  os.execute("mkdir -p " .. shell.quote(path))
  shell.write(path .. "/manifest.json", cjson.encode { participant = "P07", status = "completed",
    started = os.date("!%Y-%m-%dT%H:%M:%SZ", os.time() - 3600), device = { simulated = false },
    protocol = { id = "itbs600" }, result = { pulses_sent = pulses, elapsed_s = 200 } })
end

local virtual = "run itbs600 --amt 50 --speed max"

describe("the place of records", function()
  it("is what MOONPULSE_RUNS says, else in the user's data folder", function()
    assert.are.equal("/a/b", place("here", "MOONPULSE_RUNS=/a/b/ XDG_DATA_HOME=/x HOME=/h"))
    assert.are.equal(folder .. "/here/own", place("here", "MOONPULSE_RUNS=./own HOME=/h"))
    assert.are.equal("/x/moonpulse/runs", place("here", "XDG_DATA_HOME=/x HOME=/h"))
    assert.are.equal("/h/.local/share/moonpulse/runs", place("here", "MOONPULSE_RUNS= HOME=/h"))
    assert.are.equal("/h/.local/share/moonpulse/runs", place("here", "XDG_DATA_HOME=relative HOME=/h"))
  end)

  it("is that of who called sudo, and what is written there is theirs", function()
    local _, uid = shell.sh(folder, "id -u")
    if tonumber(uid) ~= 0 then
      return pending "only root may give files away"
    end
    local _, entry = shell.sh(folder, "getent passwd daemon")
    local daemon, home = entry:match "^[^:]*:[^:]*:(%d+):[^:]*:[^:]*:([^:]*):"
    assert.are.equal(home .. "/.local/share/moonpulse/runs", place("here", "HOME=/root SUDO_UID=" .. daemon))
    lfs.mkdir(folder .. "/theirs")
    os.execute(("chmod 755 %s && chown daemon %s/theirs"):format(shell.quote(folder), shell.quote(folder)))
    shell.write(folder .. "/two.lua", [[local mp = require "moonpulse"
      return mp.pulse(mp.mso(40)):times(2, { every = 0.1 })]])
    local status, _, err = moonpulse("here", "XDG_DATA_HOME=" .. folder .. "/theirs",
      "run ../two.lua --tolerance 1000 --late skip --beyond-guidelines test --approval none")
    assert.are.equal(0, status, err)
    local _, owners = shell.sh(folder, ("cd %s/theirs && find . -printf '%%u %%f\\n' | sort"):format(folder))
    assert.matches("daemon flight.bin", owners, 1, true)
    assert.matches("daemon twin.tsv", owners, 1, true)
    assert.matches("daemon report.html", owners, 1, true)
    assert.is_nil(owners:find "root ")
  end)

  it("is made for its owner alone, and the run says its whole path", function()
    lfs.mkdir(folder .. "/home")
    local status, out = sh("here", "HOME=" .. folder .. "/home", ("sh -c 'umask 0; exec %s %s'")
      :format(program, virtual))
    assert.are.equal(0, status)
    local path = out:match "\nrecord      (/%S+)  "
    assert.matches("^" .. folder:gsub("%p", "%%%0") .. "/home/.local/share/moonpulse/runs/%d+%-", path)
    assert.is_truthy(shell.read(path .. "/manifest.json"))
    assert.are.same({}, shell.names(folder .. "/here"))
    local _, modes = shell.sh(folder, ("find %s/home -mindepth 1 -printf '%%m\\n' | sort -u"):format(folder))
    assert.are.equal("600\n700\n", modes)
  end)

  it("lets a run be named without it", function()
    local home = "HOME=" .. folder
    local _, out = moonpulse("here", home, virtual)
    local path = out:match "\nrecord      (/%S+)  "
    os.remove(path .. "/report.html")
    local status, said = moonpulse("here", home, "recover " .. path:match "[^/]+$")
    assert.are.equal(0, status)
    assert.matches(path .. "/report.html", said, 1, true)
  end)
end)

describe("runs that lie in ./runs", function()
  local home, at_home

  before_each(function()
    home, at_home = "HOME=" .. folder, folder .. "/.local/share/moonpulse/runs"
    earlier("study/runs", "old", 2400)
  end)

  it("are named once by a run, and count from then on, wherever a command is started", function()
    local check = "check itbs600 --amt 50 --participant P07"
    local status, _, err = moonpulse("study", home, virtual)
    assert.are.equal(0, status)
    assert.matches(("note: records have one place now: %s; %s/study/runs has older ones"):format(at_home,
      folder), err, 1, true)
    assert.matches(("mv %s/study/runs/* %s/"):format(folder, at_home), err, 1, true)
    assert.are.equal("rw-------", lfs.attributes(at_home .. "/older", "permissions"))
    _, _, err = moonpulse("study", home, virtual)
    assert.are.equal("", err)
    local out
    for _, inside in ipairs { "study", "elsewhere" } do
      status, out, err = moonpulse(inside, home, check)
      assert.are.equal(0, status)
      assert.are.equal("", err)
      assert.matches(("P07: 1 earlier run found in %s and %s/study/runs: 2400 pulses today"):format(at_home,
        folder), out, 1, true)
      assert.matches("session 2 today (at most 1 a day)", out, 1, true)
    end
    -- and as the note says: moved, they count once
    os.execute(("mv %s/study/runs/* %s/"):format(folder, at_home))
    _, out = moonpulse("study", home, check)
    assert.matches("1 earlier run found in [^\n]*: 2400 pulses today", out)
  end)

  it("count for a check that is started there, before any run was", function()
    local status, out, err = moonpulse("study", home, "check itbs600 --amt 50 --participant p07 --json")
    assert.are.equal(0, status)
    assert.matches("has runs from before records had one place", err, 1, true)
    local report = cjson.decode(out)
    assert.are.same({ 2400, 1 }, { report.history.day, report.history.sessions })
    assert.is_nil(lfs.attributes(at_home, "mode"), "a check makes nothing")
  end)

  it("are missed aloud where their folder is gone", function()
    moonpulse("study", home, virtual)
    os.execute(("mv %s/study %s/moved"):format(folder, folder))
    local _, out, err = moonpulse("here", home, "check itbs600 --amt 50 --participant P07")
    assert.matches(folder .. "/study/runs cannot be read: older records lay there", err, 1, true)
    assert.matches("take its line out of that file", err, 1, true)
    assert.matches("P07: no earlier run", out, 1, true)
  end)

  it("count for an experiment that is looked at", function()
    shell.write(folder .. "/exp.lua", [[local mp = require "moonpulse"
      return mp.experiment(function(run) local s = run:device() s:arm() s:fire(mp.pulse(mp.mso(30))) end)]])
    local status, out, err = moonpulse("study", home, "check ../exp.lua --rmt 50 --participant P07 --json")
    assert.are.equal(0, status, err)
    assert.matches('"day":2400', out:gsub("%s", ""), 1, true)
  end)

  it("are each in the list when several runs begin at once, behind what it had", function()
    local commands, inside = {}, { "study" }
    os.execute("mkdir -p " .. shell.quote(at_home))
    shell.write(at_home .. "/older", "/elsewhere/runs") -- somebody's, without a line end
    local file = lfs.attributes(at_home .. "/older", "ino")
    for i = 1, 5 do
      inside[i + 1] = "study" .. i
      earlier(inside[i + 1] .. "/runs", "old", 100)
    end
    for i, name in ipairs(inside) do
      commands[i] = ("cd %s/%s && exec env -u MOONPULSE_RUNS -u XDG_DATA_HOME -u SUDO_UID %s %s %s"):format(
        shell.quote(folder), name, home, shell.quote(program), virtual)
    end
    for _, each in ipairs(shell.together(folder, commands)) do
      assert.are.equal(0, each.status, each.err)
      assert.matches("count for a participant from now on", each.err, 1, true)
    end
    local lines = {}
    for line in shell.read(at_home .. "/older"):gmatch("[^\n]+") do
      lines[line] = true
    end
    assert.is_true(lines["/elsewhere/runs"])
    assert.are.equal(file, lfs.attributes(at_home .. "/older", "ino"), "it is added to, never replaced")
    for _, name in ipairs(inside) do
      assert.is_true(lines[("%s/%s/runs"):format(folder, name)], name)
    end
  end)

  it("are told where the list cannot be read or written, and nothing of it is lost", function()
    local check = "check itbs600 --amt 50 --participant P07"
    local list = at_home .. "/older"
    os.execute("mkdir -p " .. shell.quote(list)) -- a folder in its place
    local _, _, err = moonpulse("study", home, virtual)
    assert.matches("the list of folders in which older records lie cannot be read", err, 1, true)
    assert.matches("count only while commands are started there", err, 1, true)
    assert.are.equal("directory", lfs.attributes(list, "mode"))
    lfs.rmdir(list)
    os.execute("mkfifo " .. shell.quote(list))
    _, _, err = moonpulse("study", home, virtual)
    assert.matches("cannot be read", err, 1, true)
    assert.matches("count only while commands are started there", err, 1, true)
    os.remove(list)
    local victim = folder .. "/victim"
    shell.write(victim, "")
    os.execute(("ln -s %s %s"):format(shell.quote(victim), shell.quote(list)))
    moonpulse("study", home, virtual)
    assert.are.equal("", shell.read(victim)) -- nothing is written through a link
    os.remove(list)
    shell.write(list, "runs\n~/study/runs\r\n\n")
    local _, out
    _, out, err = moonpulse("elsewhere", home, check)
    assert.matches("older, line 1, is no path from / on (runs): what lies there is not counted", err, 1, true)
    assert.matches("1 earlier run found in [^\n]*study/runs: 2400 pulses today", out)
  end)

  it("are not written down where their path has a line end: the run says so", function()
    earlier("line\nend/runs", "old", 100)
    local _, _, err = shell.sh(folder, ("cd %s && exec env -u MOONPULSE_RUNS -u XDG_DATA_HOME -u SUDO_UID "
      .. "%s %s %s"):format(shell.quote(folder .. "/line\nend"), home, shell.quote(program), virtual))
    assert.matches("its path has a line end, which the list cannot have: rename it", err, 1, true)
    assert.is_nil(lfs.attributes(at_home .. "/older", "mode"))
  end)

  it("are left alone where --out says where records are, and where that is the place itself", function()
    local _, out, err = moonpulse("study", home, "check itbs600 --amt 50 --participant P07 --out ../none")
    assert.are.equal("", err)
    out = out:gsub("study/../", "")
    assert.matches("no earlier run found: there is no folder " .. folder .. "/none", out, 1, true)
    _, out, err = moonpulse("study", "MOONPULSE_RUNS=runs " .. home,
      "check itbs600 --amt 50 --participant P07")
    assert.are.equal("", err)
    assert.matches(("P07: 1 earlier run found in %s/study/runs: 2400"):format(folder), out, 1, true)
  end)

  it("are runs: a folder of that name with something else in it is nobody's", function()
    os.execute(("rm -r %s/study/runs/old && mkdir %s/study/runs/train1"):format(folder, folder))
    local _, _, err = moonpulse("study", home, virtual)
    assert.are.equal("", err)
    assert.is_nil(lfs.attributes(at_home .. "/older", "mode"))
  end)
end)
