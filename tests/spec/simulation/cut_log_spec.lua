-- The disk does not take all that a simulator gives: twin.tsv is cut, and whoever tells of the run says so.
local cjson = require "cjson"
local core = require "moonpulse.core"
local devices = require "moonpulse.driver.find"
local host = require "moonpulse.simulation.serve"
local shell = require "shell"
local witnessed = require "moonpulse.record.witnessed"

local folder

before_each(function() folder = shell.folder() end)
after_each(function() shell.remove(folder) end)

--- A shell script with a small disk as the folder disk; {P} is the program.
local function on_small_disk(script)
  if not os.execute("unshare -Urm sh -c 'mount -t tmpfs tmpfs /mnt' 2>/dev/null") then
    return nil
  end
  shell.write(folder .. "/full.sh", "mkdir -p disk && mount -t tmpfs -o size=24m tmpfs disk || exit 99\n"
    .. script:gsub("{P}", (shell.program:gsub("^build", "$OLDPWD/build"))))
  return shell.sh(folder, ("cd %s && unshare -Urm sh full.sh"):format(shell.quote(folder)))
end

--- Run, recover and verify say it, and the manifest has it.
local function check_told(out, err)
  local run, rest = out:match("^(.-)== recover\n(.*)$")
  local recovered, verified = assert(rest, out .. err):match("^(.-)== verify\n(.*)$")
  for name, text in pairs { run = run, recover = recovered, verify = verified } do
    assert.matches("twin.tsv is cut after %d+ bytes", text, name .. ": " .. text .. err)
  end
  local manifest = cjson.decode(shell.read(folder .. "/manifest.json"))
  assert.matches("twin.tsv is cut after", table.concat(manifest.result.files or {}, "; "))
end

describe("what the disk did not take of what a simulator gave", function()
  it("is seen at the end of twin.tsv", function()
    shell.write(folder .. "/twin.tsv", "time\tevent\n")
    assert.is_nil(witnessed.cut(folder))
    for _, text in ipairs { "", "time\tev", "time\tevent\n0.1\tpulse" } do
      shell.write(folder .. "/twin.tsv", text)
      assert.matches(("^twin.tsv is cut after %d bytes: "):format(#text), witnessed.cut(folder))
    end
    os.remove(folder .. "/twin.tsv")
    assert.is_nil(witnessed.cut(folder))
  end)

  it("leaves no gap: nothing comes behind it when there is room again", function()
    local model = assert(devices.simulator(assert(devices.find "magventure")))
    for _, most in ipairs { 63, 64, 65, 100, 1000 } do -- in the first line, at its end, and behind it
      local path = folder .. "/twin.tsv"
      local served = assert(host.start(model, { log = path }))
      core.most_file(most)
      for i = 1, 30 do
        served:note { { event = "pulse", bytes = "\1", note = "number " .. i } }
      end
      core.most_file()
      local at = #shell.read(path)
      served:note { { event = "pulse", bytes = "\1", note = "behind" } }
      served:close()
      local text = shell.read(path)
      assert.are.equal(at, #text)
      assert.is_nil(text:find("behind", 1, true))
      assert.is_string(served.log_lost)
      assert.is_string(witnessed.cut(folder), "with room for " .. most)
      assert.are.equal(31, served.counts.pulse) -- what it gave is counted on
    end
  end)

  it("is said by run, recover and verify, in real time", function()
    shell.write(folder .. "/made.lua", [[local mp = require "moonpulse"
      return mp.protocol { id = "made", name = "Made", plan = function()
        return mp.train { pulses = 120, hz = 20, intensity = mp.mso(40) } end }]])
    local status, out, err = on_small_disk [[
      (for i in $(seq 400); do grep -q pulse disk/runs/*/twin.tsv && break; sleep 0.05; done
       dd if=/dev/zero of=disk/fill bs=4k; :) 2>/dev/null &
      {P} run made.lua --timing host --tolerance 2000 --beyond-guidelines test --approval none \
        --out disk/runs
      wait; rm disk/fill
      echo "== recover"; {P} recover disk/runs/*
      echo "== verify"; {P} verify disk/runs/*; cp disk/runs/*/manifest.json .
    ]]
    if not status then
      return pending "no file system can be mounted here"
    end
    check_told(out, err)
  end)

  it("is said by run, recover and verify, in virtual time", function()
    shell.write(folder .. "/made.lua", [[local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim = run:device()
        stim:arm()
        for i = 1, 9 do
          if i == 5 then
            local f = io.open("disk/fill", "w")
            f:setvbuf "no"
            while f:write(("x"):rep(4096)) do end
            while f:write "x" do end
            f:close()
          end
          stim:fire(mp.pulse { intensity = mp.mso(i % 2 == 1 and 80 or 20) })
        end
      end)]])
    local status, out, err = on_small_disk [[
      {P} run made.lua --speed max --beyond-guidelines test --approval none --out disk/runs
      rm disk/fill
      echo "== recover"; {P} recover disk/runs/* 2>&1
      echo "== verify"; {P} verify disk/runs/*; cp disk/runs/*/manifest.json .
    ]]
    if not status then
      return pending "no file system can be mounted here"
    end
    check_told(out, err)
  end)
end)
