"""The four small sets of docs/results.md, "Fine-tuning on fewer photographs": parts of CIFAR-10 and of the flowers, textures and drawings made here.

    python3 bench/few_photographs.py CIFAR10 FLOWER_PHOTOS OUT

Needs NumPy and Pillow.
"""
import numpy as np, os, sys, math
from PIL import Image, ImageDraw
rng=np.random.default_rng(0)
cifar,flowers,root=sys.argv[1:4]
names='airplane automobile bird cat deer dog frog horse ship truck'.split()
X=[];Y=[]
for i in range(1,6):
    b=np.fromfile(f'{cifar}/data_batch_{i}.bin',np.uint8).reshape(-1,3073); Y.append(b[:,0]); X.append(b[:,1:])
X=np.concatenate(X);Y=np.concatenate(Y)
def save(dst,part,cls,k,im):
    d=f'{root}/{dst}/{part}/{cls}'; os.makedirs(d,exist_ok=True); im.save(f'{d}/{k:04d}.jpg',quality=92)
def cif(i): return Image.fromarray(X[i].reshape(3,32,32).transpose(1,2,0)).resize((128,128),Image.LANCZOS)
perm=rng.permutation(len(Y))
for per in (25,):
    for c in range(10):
        ids=[i for i in perm if Y[i]==c]
        for k,i in enumerate(ids[:per]): save(f'cifar{per}','train',names[c],k,cif(i))
        for k,i in enumerate(ids[2000:2050]): save(f'cifar{per}','val',names[c],k,cif(i))
# textures / drawings by program
def noise(h,w,s):
    a=rng.normal(size=(max(2,h//s),max(2,w//s))); return np.asarray(Image.fromarray(a.astype(np.float32)).resize((w,h),Image.BICUBIC))
def tex(kind):
    h=w=160; y,x=np.mgrid[0:h,0:w].astype(float); th=rng.uniform(0,math.pi); f=rng.uniform(.05,.25); u=x*np.cos(th)+y*np.sin(th); v=-x*np.sin(th)+y*np.cos(th); p=rng.uniform(0,7)
    if kind=='stripes': a=np.sin(2*f*u*3+p)
    elif kind=='waves': a=np.sin(2*f*u*3+2*np.sin(v*f*2)+p)
    elif kind=='checks': a=np.sign(np.sin(2*f*u*2))*np.sign(np.sin(2*f*v*2))
    elif kind=='dots': a=(np.sin(2*f*u*2)*np.sin(2*f*v*2)>.5).astype(float)*2-1
    elif kind=='rings': cx,cy=rng.uniform(0,w,2); a=np.sin(np.hypot(x-cx,y-cy)*f*3)
    elif kind=='cells':
        pts=rng.uniform(0,w,(25,2)); d=np.sort(np.hypot(x[...,None]-pts[:,0],y[...,None]-pts[:,1]),-1); a=np.clip((d[...,1]-d[...,0])/6,0,1)*2-1
    elif kind=='clouds': a=noise(h,w,20)+.5*noise(h,w,8); a=a/a.std()
    else: a=noise(h,w,4); a=a/a.std()
    c1,c2=rng.uniform(0,255,(2,3)); t=(np.clip(a,-1.5,1.5)/3+.5)[...,None]; im=c1*t+c2*(1-t)
    im+=rng.normal(size=im.shape)*rng.uniform(10,70)
    return Image.fromarray(np.clip(im,0,255).astype(np.uint8))
for kind in 'stripes waves checks dots rings cells clouds grain'.split():
    for k in range(20): save('textures','train',kind,k,tex(kind))
    for k in range(40): save('textures','val',kind,k,tex(kind))
# drawings: polygons/stars/ellipses etc. as thin lines, few
def draw(kind):
    im=Image.new('RGB',(160,160),tuple(int(v) for v in rng.integers(180,256,3))); d=ImageDraw.Draw(im); col=tuple(int(v) for v in rng.integers(0,150,3)); wd=int(rng.integers(1,5))
    for _ in range(int(rng.integers(2,6))): d.line([tuple(rng.uniform(0,160,2)) for _ in range(2)],fill=tuple(int(v) for v in rng.integers(0,230,3)),width=1)
    cx,cy=rng.uniform(50,110,2); r=rng.uniform(18,48); t=rng.uniform(0,7)
    def ng(n,rr=lambda i:r): return [(cx+rr(i)*math.cos(t+2*math.pi*i/n)+rng.normal()*1.5,cy+rr(i)*math.sin(t+2*math.pi*i/n)+rng.normal()*1.5) for i in range(n)]
    if kind=='circle': P=ng(40)
    elif kind=='triangle': P=ng(3)
    elif kind=='square': P=ng(4)
    elif kind=='pentagon': P=ng(5)
    elif kind=='star': P=ng(10,lambda i:r if i%2 else r*.45)
    elif kind=='ellipse': P=[(cx+r*math.cos(a)*math.cos(t)-.45*r*math.sin(a)*math.sin(t),cy+r*math.cos(a)*math.sin(t)+.45*r*math.sin(a)*math.cos(t)) for a in np.linspace(0,2*math.pi,40)]
    d.line(P+[P[0]],fill=col,width=wd); return im
for kind in 'circle triangle square pentagon star ellipse'.split():
    for k in range(40): save('drawings','train',kind,k,draw(kind))
    for k in range(40): save('drawings','val',kind,k,draw(kind))
# two flowers only, few
import glob,shutil
for part in ('train','val'):
    for c in ('roses','tulips'):
        for k,f in enumerate(sorted(glob.glob(f'{flowers}/{part}/{c}/*'))): 
            d=f'{root}/two/{part}/{c}'; os.makedirs(d,exist_ok=True); shutil.copy(f,d)
